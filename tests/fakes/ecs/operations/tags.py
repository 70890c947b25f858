"""Tags of clusters, services, task definitions and tasks."""

from tests.fakes.ecs import errors
from tests.fakes.ecs.world import Json, World


def check(tags: list[Json]) -> list[Json]:
    """50 tags at most, each key once, none that AWS keeps for itself."""
    keys = [tag.get("key", "") for tag in tags]
    if len(set(keys)) != len(keys):
        raise errors.invalid("Duplicate tag keys found.")
    if any(not key or len(key) > 128 or key.lower().startswith("aws:") for key in keys):
        raise errors.invalid("Tag key is invalid.")
    if any(len(tag.get("value", "")) > 256 for tag in tags):
        raise errors.invalid("Tag value is invalid.")
    if len(tags) > 50:
        raise errors.invalid("Too many tags.")
    return [dict(tag) for tag in tags]


def add(world: World, request: Json) -> Json:
    arn = _known(world, request["resourceArn"])
    fresh = {tag["key"]: tag for tag in check(request["tags"])}
    kept = [tag for tag in world.tags.get(arn, []) if tag["key"] not in fresh]
    _set(world, arn, check([*kept, *fresh.values()]))
    return {}


def remove(world: World, request: Json) -> Json:
    arn = _known(world, request["resourceArn"])
    gone = set(request["tagKeys"])
    _set(world, arn, [tag for tag in world.tags.get(arn, []) if tag["key"] not in gone])
    return {}


def list_tags(world: World, request: Json) -> Json:
    return {"tags": list(world.tags.get(_known(world, request["resourceArn"]), []))}


def _set(world: World, arn: str, tags: list[Json]) -> None:
    world.tags[arn] = tags
    if arn in world.tasks:
        world.tasks[arn].tags = tags


def _known(world: World, arn: str) -> str:
    known = {c.arn for c in world.clusters.values()} | {s.arn for s in world.services.values()}
    known |= {d.arn for revisions in world.definitions.values() for d in revisions}
    if arn in known or arn in world.tasks:
        return arn
    raise errors.invalid("The specified resource could not be found.")


OPERATIONS = {"TagResource": add, "UntagResource": remove, "ListTagsForResource": list_tags}
