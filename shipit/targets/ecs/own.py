"""A team's own ECS definitions, as ecspresso has them: what is wrong with them, where their images
are, and which services they stand for. Pure.

A definition in a release is `{"name", "task_definition", "service"}`: `name` is the container that
the service is about, the other two are what RegisterTaskDefinition and CreateService take.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from shipit.config.source.written import Written
from shipit.model.pipeline import ImageField
from shipit.model.source import Found
from shipit.targets.ecs import shapes
from shipit.targets.ecs.extension import KEY

Json = dict[str, Any]
Steps = tuple[str | int, ...]

TASK, SERVICE = "task_definition", "service"
# Of CreateService: what shipit says itself, and what it cannot follow.
_ELSEWHERE = {
    "cluster": "target.ecs.cluster says which",
    "taskDefinition": "it is the revision that shipit registers of the task definition",
    "clientToken": "every request has its own",
    "role": "ECS uses its service-linked role",
}
_NOT_PLAYED = (
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "gatewayConnectors",
    "monitoring",
)
_ROLLING = (
    *("strategy", "deploymentCircuitBreaker", "maximumPercent", "minimumHealthyPercent"),
    "alarms",
)


class _Definition(msgspec.Struct, frozen=True):
    """`body` without what `aws ecs describe-task-definition` puts around it, at `steps`."""

    written: Written
    body: Json
    steps: Steps


def objects(written: Sequence[Written]) -> tuple[Json, ...]:
    """One definition for every task definition. Raises ConfigurationError, with its place."""
    tasks = [_unwrapped(one) for one in written if one.part == TASK]
    services = {one.name: one for one in written if one.part == SERVICE}
    made: list[Json] = []
    seen: dict[str, str] = {}
    for task in tasks:
        _refuse_task(task, seen)
        name = task.written.name or str(task.body["containerDefinitions"][0]["name"])
        service = services.get(task.written.name)
        if service:
            _refuse_service(service)
        made.append({"name": name, TASK: task.body, SERVICE: service.body if service else {}})
    return tuple(made)


def images(found: Sequence[Json], _: Sequence[ImageField] = ()) -> Iterator[Found]:
    """Every container's image, with its definition and the place in it."""
    for n, one in enumerate(found):
        for m, container in enumerate(one[TASK]["containerDefinitions"]):
            yield Found(n, (TASK, "containerDefinitions", m, "image"), container["image"])


def unmatched(_: Sequence[Json], __: Sequence[ImageField]) -> Iterator[int]:
    """Images are where ECS has them: no fields are named."""
    return iter(())


def services(found: Sequence[Json]) -> dict[str, Json]:
    """A service in Compose's words for every container, in the task of the one that it is about."""
    made: dict[str, Json] = {}
    for one in found:
        containers = {str(c["name"]): c for c in one[TASK]["containerDefinitions"]}
        head = str(one["name"])
        for name in (head, *(n for n in containers if n != head)):
            more = _of_head(one[SERVICE]) if name == head else {"task": head}
            made[name] = {
                "image": containers[name]["image"],
                "deploy": _deploy(one[SERVICE]),
                **({KEY: more} if more else {}),
            }
    return made


def variables(found: Sequence[Json]) -> Iterator[tuple[str, str, str]]:
    """(where, name, value) of every variable that is written out in a container."""
    for one in found:
        for container in one[TASK]["containerDefinitions"]:
            for variable in container.get("environment") or ():
                yield (
                    f"container {container['name']}",
                    str(variable.get("name", "")),
                    str(variable.get("value", "")),
                )


def _deploy(service: Json) -> Json:
    if service.get("schedulingStrategy") == "DAEMON":
        return {"mode": "global"}
    return {"replicas": service.get("desiredCount", 1)}


def _of_head(service: Json) -> Json:
    """A count that is left out is an autoscaler's, or a person's: it stays."""
    alarms = (service.get("deploymentConfiguration") or {}).get("alarms") or {}
    named = alarms.get("alarmNames") if alarms.get("enable") else None
    return {
        **({} if "desiredCount" in service else {"autoscaled": True}),
        **({"alarms": list(named)} if named else {}),
    }


def _unwrapped(one: Written) -> _Definition:
    inner = one.body.get("taskDefinition")
    if not isinstance(inner, dict) or one.body.keys() - {"taskDefinition", "tags"}:
        return _Definition(one, one.body, ())
    tags = one.body.get("tags")
    return _Definition(one, {**inner, **({"tags": tags} if tags else {})}, ("taskDefinition",))


def _refuse_task(task: _Definition, seen: dict[str, str]) -> None:
    one = task.written
    body = {"family": "shipit's own", **task.body}
    written_by_ecs = shapes.members("TaskDefinition")
    for problem in shapes.problems(body, "RegisterTaskDefinition", task.steps):
        raise _wrong(
            one, problem, written_by_ecs if len(problem.steps) == len(task.steps) + 1 else ()
        )
    containers = task.body["containerDefinitions"]
    at = (*task.steps, "containerDefinitions")
    if not containers:
        raise one.wrong("there is no container", at)
    for n, container in enumerate(containers):
        for key in ("name", "image"):
            if not container.get(key):
                raise one.wrong("missing; it has to be here", (*at, n, key))
        name = str(container["name"])
        if name in seen:
            raise one.wrong(
                f"{seen[name]} has a container {name} too",
                (*at, n, "name"),
                "a container is known by its name in its environment",
                "give one of them another name",
            )
        seen[name] = one.file
    if one.name and one.name not in {c["name"] for c in containers}:
        raise one.wrong(
            f"there is no container {one.name}",
            at,
            "shipit.yaml names a task definition by the container that it is about",
            f"there is: {', '.join(str(c['name']) for c in containers)}",
        )


def _refuse_service(one: Written) -> None:
    own = {"serviceName": "shipit's own", **one.body}
    written_by_ecs = shapes.members("Service")
    for problem in shapes.problems(own, "CreateService"):
        raise _wrong(one, problem, written_by_ecs if len(problem.steps) == 1 else ())
    for key in one.body:
        if key in _ELSEWHERE:
            raise one.wrong(f"this is not for a file: {_ELSEWHERE[key]}", (key,), "", _AWAY)
        if key in _NOT_PLAYED:
            raise one.wrong("this version of shipit does not deploy this", (key,), "", _AWAY)
    controller = (one.body.get("deploymentController") or {}).get("type", "ECS")
    if controller != "ECS":
        at = ("deploymentController", "type")
        raise one.wrong(f"shipit deploys through ECS's own controller, not {controller}", at)
    _refuse_strategy(one, one.body.get("deploymentConfiguration") or {})


_AWAY = "take it away"


def _refuse_strategy(one: Written, rolling: Json) -> None:
    at = "deploymentConfiguration"
    if rolling.get("strategy", "ROLLING") != "ROLLING":
        raise one.wrong("this version of shipit plays ROLLING alone", (at, "strategy"))
    for key in rolling:
        if key not in _ROLLING:
            raise one.wrong("this belongs to another strategy than ROLLING", (at, key), "", _AWAY)


def _wrong(
    one: Written, problem: shapes.Problem, by_ecs: Sequence[str] | frozenset[str]
) -> Exception:
    if problem.steps and problem.steps[-1] in by_ecs and problem.what.startswith("unknown"):
        return one.wrong("ECS writes this itself, and does not take it", problem.steps, "", _AWAY)
    return one.wrong(problem.what, problem.steps, next_step=problem.next_step)
