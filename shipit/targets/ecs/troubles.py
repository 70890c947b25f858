"""Why tasks stopped: ECS's reason, the containers' exit codes, and the last lines they wrote."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from shipit.errors import ShipitError
from shipit.model.progress import Reason
from shipit.targets.ecs import log_driver
from shipit.targets.ecs.cloud import Cloud
from shipit.targets.ecs.names import last_part
from shipit.targets.ecs.survey import Survey

Json = dict[str, Any]
_LAST = 20  # log lines
_SHOWN = 3  # tasks
# ECS's own circuit breaker: half of the tasks, 3 at least and 200 at most. It only counts in some
# deployments (docs.aws.amazon.com, "How the Amazon ECS deployment circuit breaker detects
# failures"), so shipit counts too.
_LEAST, _MOST = 3, 200
_FAILING_CODES = ("TaskFailedToStart", "EssentialContainerExited")
_PLACEMENT = "unable to place a task"


def stopped(survey: Survey, service: str, deployment: str, revision: str) -> list[Json]:
    """The tasks of a deployment that failed, the newest first."""
    found = [
        task
        for task in survey.tasks(service, "STOPPED")
        if _belongs(task, deployment, revision) and failed(task)
    ]
    return sorted(found, key=lambda t: str(t.get("stoppedAt") or ""), reverse=True)


def too_many(tasks: Sequence[Json], desired: int) -> bool:
    return len(tasks) >= min(max(math.ceil(desired / 2), _LEAST), _MOST)


def failed(task: Json) -> bool:
    """Not stopped because it was replaced or scaled in."""
    reason = str(task.get("stoppedReason") or "")
    return task.get("stopCode") in _FAILING_CODES or (
        "failed" in reason and "health checks" in reason
    )


def _belongs(task: Json, deployment: str, revision: str) -> bool:
    if str(task.get("startedBy") or "").startswith("ecs-svc/"):
        return str(task["startedBy"]) == deployment
    return task.get("taskDefinitionArn") == revision


def in_words(task: Json) -> str:
    """One sentence: what a person would look for in the console."""
    said = [_container_words(c) for c in task.get("containers") or ()]
    why = str(task.get("stoppedReason") or "")
    for word, plain in _PLAIN.items():
        text = next(
            (t for t in (why, *map(_reason, task.get("containers") or ())) if word in t), ""
        )
        if text:
            return f"{plain}: {text}"
    words = [w for w in said if w]
    if words:
        health = f"; {why}" if "health checks" in why else ""
        return "; ".join(words) + health
    return why or "its task stopped, and ECS does not say why"


_PLAIN = {
    "CannotPullContainer": "its image cannot be pulled",
    "ResourceInitializationError": "its task could not be set up",
    "OutOfMemory": "was killed: out of memory",
    "CannotStartContainer": "it cannot be started",
    "CannotCreateContainer": "it cannot be created",
    "health checks": "its health check fails",
}


def _reason(container: Json) -> str:
    return str(container.get("reason") or "")


def _container_words(container: Json) -> str:
    code = container.get("exitCode")
    if code is None:
        return ""
    words = f"{container['name']} exited with code {code}"
    return f"{words}: {container['reason']}" if container.get("reason") else words


def reasons(
    cloud: Cloud,
    group: str,
    words: str,
    tasks: Sequence[Json],
    definition: Json,
    events: Sequence[str],
) -> tuple[Reason, ...]:
    """`words` is how the deployment ended; each failed task tells more, with its last lines."""
    if not tasks:
        placing = next((m for m in events if _PLACEMENT in m), "")
        why = f"{words}; no capacity: {placing}" if placing else words
        return (Reason(group, why),)
    told = dict.fromkeys(in_words(task) for task in tasks)
    first = next(iter(told))
    more = [text for text in told if text != first][: _SHOWN - 1]
    what = "; ".join([f"{words.rstrip('.')}: {first}", *more])
    return (Reason(group, what, last_lines(cloud, definition, tasks[0])),)


def last_lines(cloud: Cloud, definition: Json, task: Json) -> tuple[str, ...]:
    """Of the container that failed; empty when there is no log, or it may not be read."""
    configurations = {
        str(c["name"]): c.get("logConfiguration")
        for c in definition.get("containerDefinitions") or ()
    }
    for container in _worst_first(task.get("containers") or ()):
        name = str(container["name"])
        where = log_driver.stream(configurations.get(name), name, last_part(task["taskArn"]))
        lines = _tail(cloud, *where) if where else ()
        if lines:
            return lines
    return ()


def _worst_first(containers: Iterable[Json]) -> list[Json]:
    return sorted(containers, key=lambda c: c.get("exitCode") in (0, None))


def _tail(cloud: Cloud, group: str, stream: str) -> tuple[str, ...]:
    try:
        answer = cloud.call(
            "logs",
            "get_log_events",
            logGroupName=group,
            logStreamName=stream,
            limit=_LAST,
            startFromHead=False,
        )
    except ShipitError:
        return ()
    return tuple(str(event["message"]).rstrip("\n") for event in answer.get("events") or ())
