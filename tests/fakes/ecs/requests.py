"""What the operations have in common: which cluster, service, task definition or page is meant."""

from collections.abc import Sequence
from typing import Any

from tests.fakes.ecs import errors
from tests.fakes.ecs.names import last_part
from tests.fakes.ecs.world import Cluster, Definition, Json, Service, World


def cluster_of(world: World, request: Json) -> Cluster:
    found = world.clusters.get(last_part(request.get("cluster", "default")))
    if found is None or found.status != "ACTIVE":
        raise errors.no_cluster()
    return found


def service_of(world: World, cluster: Cluster, name: str) -> Service:
    found = world.services.get((cluster.name, last_part(name)))
    if found is None:
        raise errors.no_service()
    return found


def find_definition(world: World, name: str) -> Definition | None:
    """By `family` (its newest active revision), `family:3` or ARN."""
    family, _, revision = last_part(name).partition(":")
    known = world.definitions.get(family, [])
    if not revision:
        active = [d for d in known if d.body["status"] == "ACTIVE"]
        return active[-1] if active else None
    return next((d for d in known if str(d.revision) == revision), None)


def usable_definition(world: World, name: str) -> Definition:
    found = find_definition(world, name)
    if found is None:
        raise errors.client("TaskDefinition not found.")
    if found.body["status"] != "ACTIVE":
        raise errors.client("TaskDefinition is inactive")
    return found


def page(key: str, items: Sequence[Any], request: Json, *, most: int = 100) -> Json:
    """A page and the token of the next."""
    size = min(request.get("maxResults") or most, most)
    token = request.get("nextToken", "0")
    if not token.isdigit():
        raise errors.invalid("Invalid token")
    start = int(token)
    body: Json = {key: list(items[start : start + size])}
    if start + size < len(items):
        body["nextToken"] = str(start + size)
    return body


def failure(arn: str, reason: str = "MISSING") -> Json:
    return {"arn": arn, "reason": reason}


def check_count(items: Sequence[Any], most: int, what: str) -> None:
    if len(items) > most:
        raise errors.invalid(f"{what} cannot have more than {most} elements")
    if not items:
        raise errors.invalid(f"{what} cannot be empty.")
