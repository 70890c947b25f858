"""How a service stands in its deployment, from one description of it. Pure.

"Stable" proves nothing: after a circuit breaker's rollback a service is stable on the old
revision. What counts is the deployment whose id the update answered with.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from shipit.targets.ecs.names import last_part
from shipit.targets.ecs.survey import primary

Json = dict[str, Any]


class End(StrEnum):
    """WAITING is none yet; COMPLETED is ECS's word, still to be proven by the digests."""

    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"
    SUPERSEDED = "superseded"
    MISSING = "missing"


class Standing(msgspec.Struct, frozen=True):
    end: End
    words: str
    deployment: Json = {}


def stand(service: Json | None, deployment: str, asked_at: datetime | None) -> Standing:
    """`asked_at` is ECS's time of our deployment, where it is known: an older one in its place is
    a stale answer and not somebody else's deployment."""
    if service is None:
        return Standing(End.MISSING, "ECS does not show it yet")
    if service.get("status") != "ACTIVE":
        return Standing(End.FAILED, f"the service was deleted meanwhile ({service.get('status')})")
    ours = next((d for d in service.get("deployments") or () if d["id"] == deployment), None)
    current = primary(service)
    if ours is None:
        return _without(service, current, deployment, asked_at)
    if ours["status"] != "PRIMARY":
        return _overtaken(service, current, ours)
    return _own(ours)


def _own(ours: Json) -> Standing:
    state = ours.get("rolloutState", "IN_PROGRESS")
    if state == "FAILED":
        return Standing(End.FAILED, _reason(ours) or "ECS gave the deployment up", ours)
    running, desired = int(ours.get("runningCount", 0)), int(ours.get("desiredCount", 0))
    if state != "COMPLETED":
        return Standing(End.WAITING, f"{running} of {desired} run", ours)
    if running < desired:
        return Standing(End.WAITING, f"{running} of {desired} run", ours)
    return Standing(End.COMPLETED, f"{running} of {desired} run", ours)


def _overtaken(service: Json, current: Json | None, ours: Json) -> Standing:
    if current is None:
        return Standing(End.WAITING, "ECS names no current deployment", ours)
    identity = str(ours["id"])
    failed = ours.get("rolloutState") == "FAILED" or _failed_in(service, identity)
    if failed or _is_a_way_back(current):
        return Standing(End.ROLLED_BACK, _back_words(service, identity, ours), ours)
    return Standing(End.SUPERSEDED, _words(current), current)


def _without(
    service: Json, current: Json | None, deployment: str, asked_at: datetime | None
) -> Standing:
    """Our deployment is not in the answer: not yet, or not any more."""
    created = (current or {}).get("createdAt")
    if current is None or not isinstance(created, datetime):
        return Standing(End.WAITING, "ECS does not show the deployment yet")
    older = asked_at is None or created < asked_at
    # What is gone back to may keep the id and the time it had: then only the events tell.
    if _failed_in(service, deployment) or (not older and _is_a_way_back(current)):
        return Standing(End.ROLLED_BACK, _back_words(service, deployment, {}), current)
    if older:
        return Standing(End.WAITING, "ECS does not show the deployment yet")
    return Standing(End.SUPERSEDED, _words(current), current)


def _failed_in(service: Json, deployment: str) -> bool:
    return any(deployment in m and "deployment failed" in m.lower() for m in messages(service))


def _is_a_way_back(current: Json) -> bool:
    """Whether ECS itself made the current deployment because another one failed."""
    return "rolling back" in _reason(current).lower()


def _back_words(service: Json, deployment: str, ours: Json) -> str:
    told = [m for m in messages(service) if deployment in m and "deployment failed" in m.lower()]
    why = _reason(ours) or (told[0].partition("deployment failed: ")[2] if told else "")
    return f"ECS rolled it back: {why}" if why else "ECS rolled it back"


def messages(service: Json) -> list[str]:
    return [str(event.get("message", "")) for event in service.get("events") or ()]


def _words(deployment: Json) -> str:
    return f"{deployment['id']} ({last_part(deployment.get('taskDefinition'))})"


def _reason(deployment: Json) -> str:
    return str(deployment.get("rolloutStateReason") or "")
