"""What runs at its times: an EventBridge Scheduler schedule for each service, which runs a task of
a pinned revision. Pure.

docs.aws.amazon.com/scheduler/latest/APIReference, CreateSchedule.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shipit.errors import ConfigurationError
from shipit.model import application
from shipit.model.deployment import Action, Change, Desired, Observed
from shipit.targets.ecs import names, readable
from shipit.targets.ecs import render as rendering
from shipit.targets.ecs.render import Rendered, Setting

Json = dict[str, Any]
KEY = "(schedules)"  # no service is called so: where `Observed.definitions` has them, by service
_ROLE = re.compile(r"arn:([a-z-]+):iam::([0-9]{12}):role/.+")
_LONGEST = 64  # CreateSchedule: Name, GroupName
# Of EcsParameters, what is left out on purpose where it is not asked for.
OWN = (
    *("LaunchType", "CapacityProviderStrategy", "NetworkConfiguration"),
    "EnableExecuteCommand",
)
# What `x-ecs` says of a service, and a task alone has not.
_OF_SERVICES = (
    *("task", "load_balancers", "health_check_grace_period", "service_registries"),
    *("service_connect", "autoscaled", "alarms"),
)


class Timed(msgspec.Struct, frozen=True):
    """One schedule. `body` is what Create- and UpdateSchedule share, without the revision."""

    service: str
    name: str
    task: Rendered
    body: Json

    def with_revision(self, arn: str) -> Json:
        target = self.body["Target"]
        parameters = {**target["EcsParameters"], "TaskDefinitionArn": arn}
        return {**self.body, "Target": {**target, "EcsParameters": parameters}}


class Turn(msgspec.Struct, frozen=True):
    """What happens to one schedule. `revised`: its task definition changes."""

    action: Action
    why: str
    diff: tuple[str, ...] = ()
    revised: bool = False


def group_name(prefix: str) -> str:
    """A group of this environment's own: tags are a group's, and a schedule has none."""
    return prefix


def wanted(desired: Desired, setting: Setting) -> dict[str, Timed]:
    """By service. Raises ConfigurationError for what cannot be honoured, by its path."""
    if desired.scheduled and not setting.target.scheduler_role:
        raise ConfigurationError(
            "EventBridge Scheduler starts tasks with a role, and none is named",
            file="shipit.yaml",
            path=f"environments.{desired.environment}.target.ecs.scheduler_role",
            next_step="name one that scheduler.amazonaws.com may assume, with ecs:RunTask and"
            " iam:PassRole",
        )
    return {name: _timed(desired, name, setting) for name in desired.scheduled}


def _timed(desired: Desired, service: str, setting: Setting) -> Timed:
    definition = application.services(desired.project)[service]
    path = f"services.{service}"
    task = rendering.task(desired, service, setting)
    _refuse(path, definition, task)
    name = names.service_name(setting.prefix, service)
    if len(name) > _LONGEST:
        raise ConfigurationError(
            f"its schedule's name would be longer than {_LONGEST} characters: {name}", path=path
        )
    expression, timezone = _times(path, definition)
    body: Json = {
        "ScheduleExpression": expression,
        "ScheduleExpressionTimezone": timezone,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {
            "Arn": _cluster_arn(setting),
            "RoleArn": setting.target.scheduler_role,
            "EcsParameters": _parameters(setting, exec_on=task.group.head.exec),
        },
    }
    return Timed(service, name, task, body)


def _times(path: str, definition: Mapping[str, Any]) -> tuple[str, str]:
    """The expression, and the time zone."""
    schedule = application.schedule(definition)
    try:
        return (schedule.for_aws, schedule.timezone or "UTC") if schedule else ("", "UTC")
    except ValueError as error:
        where = f"{path}.{application.EXTENSION}.schedule"
        raise ConfigurationError(str(error), path=where) from None


def _refuse(path: str, definition: Mapping[str, Any], task: Rendered) -> None:
    for key in _OF_SERVICES:
        if getattr(task.group.head, key):
            raise ConfigurationError(
                "what runs at its times is in no service", path=f"{path}.x-ecs.{key}"
            )
    if application.replicas(definition) != 1:
        key = "scale" if definition.get("scale") is not None else "deploy.replicas"
        raise ConfigurationError(
            "a schedule runs one task each time", path=f"{path}.{key}", next_step="leave it out"
        )


def _cluster_arn(setting: Setting) -> str:
    """In the account of the scheduler's role: a schedule passes it on, which it can only there."""
    cluster = setting.target.cluster or "default"
    found = _ROLE.fullmatch(setting.target.scheduler_role)
    if cluster.startswith("arn:") or not found:
        return cluster
    partition, account = found.groups()
    return f"arn:{partition}:ecs:{setting.region}:{account}:cluster/{cluster}"


def _parameters(setting: Setting, *, exec_on: bool) -> Json:
    """As CreateService has them, in this API's own spelling."""
    made: Json = {"TaskCount": 1, "PropagateTags": "TASK_DEFINITION"}
    if exec_on:
        made["EnableExecuteCommand"] = True
    capacity = rendering.capacity(setting)
    if "launchType" in capacity:
        made["LaunchType"] = capacity["launchType"]
    else:
        made["CapacityProviderStrategy"] = capacity["capacityProviderStrategy"]
    network = rendering.network_configuration(setting)
    if network:
        inner = network["awsvpcConfiguration"]
        made["NetworkConfiguration"] = {
            "awsvpcConfiguration": {
                "Subnets": inner["subnets"],
                **({"SecurityGroups": inner["securityGroups"]} if inner["securityGroups"] else {}),
                "AssignPublicIp": inner["assignPublicIp"],
            }
        }
    return made


def flat(body: Mapping[str, Any]) -> readable.Flat:
    """What a person can have asked for, as `schedule.<what>`: of an answer, or as rendered."""
    target = body.get("Target") or {}
    ecs = target.get("EcsParameters") or {}
    network = (ecs.get("NetworkConfiguration") or {}).get("awsvpcConfiguration") or {}
    capacity = " ".join(
        f"{p['capacityProvider']}={p.get('weight', 0)}"
        for p in ecs.get("CapacityProviderStrategy") or ()
    )
    found = {
        "expression": body.get("ScheduleExpression"),
        "timezone": body.get("ScheduleExpressionTimezone"),
        "window": (body.get("FlexibleTimeWindow") or {}).get("Mode"),
        "cluster": names.last_part(target.get("Arn")),
        "role": target.get("RoleArn"),
        "tasks": ecs.get("TaskCount"),
        "capacity": capacity or ecs.get("LaunchType"),
        "subnets": " ".join(sorted(network.get("Subnets") or ())),
        "security_groups": " ".join(sorted(network.get("SecurityGroups") or ())),
        "public_ip": network.get("AssignPublicIp"),
        "exec": ecs.get("EnableExecuteCommand"),
    }
    return {f"schedule.{key}": str(value) for key, value in found.items() if value}


def decide(wanted: Mapping[str, Timed], observed: Observed) -> dict[str, Turn]:
    """By service: of those that are asked for, and those that are to go."""
    ran: Mapping[str, Json] = observed.definitions.get(KEY, {})
    turns = {name: _turn(one, ran.get(name)) for name, one in wanted.items()}
    gone = Turn(Action.REMOVE, "the release does not schedule it")
    return turns | {name: gone for name in ran if name not in wanted}


def _turn(want: Timed, was: Json | None) -> Turn:
    said = f"{want.body['ScheduleExpression']} {want.body['ScheduleExpressionTimezone']}"
    if was is None:
        return Turn(Action.CREATE, f"not scheduled yet: {said}", revised=True)
    task = readable.difference(
        was["task_definition"], readable.task_definition(want.task.task_definition)
    )
    times = readable.difference(was["schedule"], flat(want.body))
    if not was["task_definition"]:
        return Turn(Action.UPDATE, "the revision that it runs is gone", times, revised=True)
    if task:
        image = any(f"{want.service}.image:" in line for line in task)
        why = "its image changes" if image else "its configuration changes"
        return Turn(Action.UPDATE, why, (*task, *times), revised=True)
    if times:
        return Turn(Action.UPDATE, f"its schedule changes: {said}", times)
    if not was["enabled"]:
        return Turn(Action.UPDATE, "stopped")
    return Turn(Action.KEEP, f"unchanged: {said}")


def changes(
    desired: Desired, wanted: Mapping[str, Timed], turns: Mapping[str, Turn]
) -> Iterator[Change]:
    for name, turn in turns.items():
        image = desired.images[name].reference if name in wanted else ""
        yield Change(name, turn.action, turn.why, image, turn.diff)


def notes(wanted: Mapping[str, Timed], project: Mapping[str, Any]) -> Iterator[str]:
    for name, one in wanted.items():
        yield from one.task.notes
        if (project["services"][name].get("deploy") or {}).get("update_config"):
            yield f"services.{name}.deploy.update_config has no effect: a schedule replaces nothing"
