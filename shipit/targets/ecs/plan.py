"""What would change, and why, in words. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shipit.errors import ConfigurationError, PreconditionError
from shipit.model.deployment import Action, Change, Desired, Observed, ObservedService, Plan
from shipit.targets.ecs import readable, schedules
from shipit.targets.ecs.observe import NETWORK
from shipit.targets.ecs.render import Rendered, Setting, render

Json = dict[str, Any]


class Move(msgspec.Struct, frozen=True):
    """What happens to one ECS service. `count` is sent only when it is not None; `revised`: its
    task definition changes; `forced`: nothing changes, and its tasks are to be new ones."""

    action: Action
    why: str
    diff: tuple[str, ...] = ()
    count: int | None = None
    revised: bool = False
    forced: bool = False


def plan(target: str, desired: Desired, observed: Observed, setting: Setting) -> Plan:
    """Raises ConfigurationError for what ECS cannot do, PreconditionError for a service that is
    not in a state to be changed."""
    ours = not desired.source or desired.before or desired.after  # an own service names its own
    if ours and setting.fargate and not setting.network.subnets:
        raise ConfigurationError(
            "Fargate tasks need subnets, and none is named or found",
            file="shipit.yaml",
            path=f"environments.{desired.environment}.target.ecs.subnets",
            next_step="name them: `subnets: [subnet-…]` or `subnet_tags: {Name: private-*}`",
        )
    wanted = render(desired, setting)
    moves = decide(desired, wanted, observed)
    timed = schedules.wanted(desired, setting)
    turns = schedules.decide(timed, observed)
    removed = (
        Change(group, Action.REMOVE, "the release does not have it")
        for group in gone(wanted, observed)
    )
    return Plan(
        target=target,
        desired=desired,
        changes=(
            *_changes(desired, wanted, moves),
            *removed,
            *schedules.changes(desired, timed, turns),
        ),
        fingerprint=observed.fingerprint,
        notes=(*_notes(wanted, moves, observed), *schedules.notes(timed, desired.project)),
    )


def decide(desired: Desired, wanted: Mapping[str, Rendered], observed: Observed) -> dict[str, Move]:
    """By group."""
    return {
        name: _move(desired, one, observed.definitions.get(name), observed)
        for name, one in wanted.items()
    }


def _move(desired: Desired, want: Rendered, was: Json | None, observed: Observed) -> Move:
    if was is None:
        return Move(Action.CREATE, "not there yet", count=want.count, revised=True)
    _refuse(want, was)
    count = count_to_send(want, was)
    task = readable.difference(
        was["task_definition"], readable.task_definition(want.task_definition)
    )
    service = readable.difference(*_comparable(was["service"], readable.service(want.service)))
    lines = (*task, *service)
    if count is not None and count != was["desired"]:
        lines = (
            *lines,
            f"- service.desiredCount: {was['desired']}",
            f"+ service.desiredCount: {count}",
        )
    if task or service:
        why = _why(desired, want, observed, only_service=not task)
        forced = any("capacityProvider" in line for line in service)
        return Move(Action.UPDATE, why, lines, count, revised=bool(task), forced=forced)
    if was["stopped"]:
        return Move(Action.UPDATE, "stopped", lines, count)
    if count is not None:
        return Move(Action.UPDATE, f"{was['desired']} replicas, not {count}", lines, count)
    why = _amiss(desired, want, was, observed)
    return Move(Action.UPDATE if why else Action.KEEP, why or "unchanged", forced=bool(why))


def _comparable(was: readable.Flat, want: readable.Flat) -> tuple[readable.Flat, readable.Flat]:
    """ECS answers with a namespace's ARN where it was given its name, and with what a definition
    left to it."""
    was = readable.without_left_out(was, want)
    key = "service.serviceConnectConfiguration.namespace"
    if want.get(key, "").startswith("arn:"):
        return was, want
    was, want = ({k: v for k, v in found.items() if k != key} for found in (was, want))
    return was, want


def count_to_send(want: Rendered, was: Mapping[str, Any]) -> int | None:
    """None: leave the count as it is. What an autoscaler owns is never sent."""
    if want.service.get("schedulingStrategy") == "DAEMON":
        return None
    scaled = want.group.head.autoscaled or was["scaled"] in ("yes", "unknown")
    if was["stopped"]:
        return int(was["stopped"]) if scaled else want.count
    if scaled or was["desired"] == want.count:
        return None
    return want.count


def _amiss(desired: Desired, want: Rendered, was: Json, observed: Observed) -> str:
    """Why a service whose definition does not change is not as it should be; empty when it is."""
    if was["rollout"] == "FAILED":
        return "its last deployment failed"
    if was["rollout"] == "IN_PROGRESS":
        return ""
    for name in want.group.members:
        seen = observed.services.get(name)
        known = desired.images[name].identities()
        if seen and seen.images and not known & set(seen.images):
            return f"{name} runs {_short(seen)}, not the image that its definition names"
    return ""


def _why(desired: Desired, want: Rendered, observed: Observed, *, only_service: bool) -> str:
    if only_service:
        return "the service's settings change"
    for name in want.group.members:
        seen = observed.services.get(name)
        if seen is None:
            return f"{name} is new in its task"
        if not desired.images[name].identities() & set(seen.images):
            prefix = "its image" if name == want.group.name else f"{name}'s image"
            return f"{prefix} changes from {_short(seen)} to {desired.images[name].digest.short}"
    return "its configuration changes"


def _short(seen: ObservedService) -> str:
    return seen.images[0].short if seen.images else "what is not known"


def _refuse(want: Rendered, was: Json) -> None:
    """What UpdateService cannot change, or shipit does not play."""
    name = was["name"]
    if was["status"] != "ACTIVE":
        raise PreconditionError(
            f"{name} is being deleted ({was['status']})", next_step="wait a minute and plan again"
        )
    if was["controller"] != "ECS":
        raise PreconditionError(
            f"{name} is deployed by {was['controller']}",
            "shipit deploys through ECS's own controller",
            "make the service anew under another prefix, or change its deployment controller",
        )
    if was["strategy"] != "ROLLING":
        raise PreconditionError(
            f"{name} has the deployment strategy {was['strategy']}",
            "this version of shipit plays ROLLING alone",
            "set the service's strategy to ROLLING",
        )
    ran, asked = was["service"], readable.service(want.service)
    for key in ("service.schedulingStrategy", "service.launchType"):
        if ran.get(key) != asked.get(key) and not any(
            "capacityProvider" in k for k in (*ran, *asked)
        ):
            raise PreconditionError(
                f"{name} has {key.partition('.')[2]} {ran.get(key)}, not {asked.get(key)}",
                "ECS cannot change this in a service",
                "remove the environment (`shipit rm`) and deploy it again",
            )


def _changes(
    desired: Desired, wanted: Mapping[str, Rendered], moves: Mapping[str, Move]
) -> Iterator[Change]:
    for group, move in moves.items():
        for name in wanted[group].group.members:
            image = desired.images[name].reference
            if name == group:
                yield Change(name, move.action, move.why, image, move.diff)
            else:
                yield Change(name, move.action, f"in the task of {group}", image)


def gone(wanted: Mapping[str, Rendered], observed: Observed) -> tuple[str, ...]:
    """The groups to remove: only what carries shipit's own tags ever is."""
    return tuple(
        group
        for group, was in observed.definitions.items()
        if group not in (NETWORK, schedules.KEY, *wanted)
        and was["ours"]
        and was["status"] == "ACTIVE"
    )


def _notes(
    wanted: Mapping[str, Rendered], moves: Mapping[str, Move], observed: Observed
) -> Iterator[str]:
    for group, one in wanted.items():
        yield from one.notes
        path = f"services.{group}"
        was = observed.definitions.get(group)
        if moves[group].action is Action.CREATE:
            yield f"{path}: its first deployment, so ECS has nothing to go back to"
        if was is None:
            if not one.count:
                yield f"{path}: 0 replicas, so the release is not exercised there"
            continue
        if was["desired"] != one.count and moves[group].count is None:
            owner = "an autoscaler may own" if was["scaled"] == "unknown" else "an autoscaler owns"
            yield f"{path}: {was['desired']} run, not {one.count}; {owner} the count, so it stays"
        if not was["ours"]:
            yield f"{path}: the service {was['name']} is there already, and is taken over"
        if was["early_success"]:
            yield f"{path}: ECS may call it a success early; shipit waits for every task"
