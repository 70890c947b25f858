"""What deploying to ECS needs of IAM: an action for every operation that this package calls.

Which of them take a resource is in the Service Authorization Reference, "Actions, resources, and
condition keys for Amazon Elastic Container Service" and its neighbours; the others have `*`, with
what narrows them as a condition. A test holds this list against the calls in the code.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from shipit.model.permission import Permission
from shipit.targets.ecs import names
from shipit.targets.ecs.render import Rendered

Json = dict[str, Any]


class Place(msgspec.Struct, frozen=True):
    """Where, and whose. `partition` is aws, aws-cn or aws-us-gov."""

    app: str
    environment: str
    account: str
    region: str
    cluster: str
    prefix: str
    log_group: str
    partition: str = "aws"

    def arn(self, service: str, rest: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"


def needed(
    place: Place, wanted: Mapping[str, Rendered], roles: Iterable[str], scheduler_role: str = ""
) -> Iterator[Permission]:
    """`wanted` are the services, by group, and the tasks; `roles` the ARNs that tasks get."""
    families = _families(wanted)
    yield from _services(place, families)
    yield from _tasks(place, families)
    if scheduler_role:
        yield from _schedules(place, scheduler_role)
    if given := tuple(sorted({_role(place, role) for role in roles if role})):
        to = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        yield Permission("give tasks their roles", ("iam:PassRole",), given, to)
        looks = ("iam:GetRole", "iam:SimulatePrincipalPolicy")
        yield Permission("look at the roles", looks, given)
    yield from _around(place, wanted)


def _role(place: Place, named: str) -> str:
    """A task definition may have a role's name where its ARN goes."""
    return named if ":" in named else f"arn:{place.partition}:iam::{place.account}:role/{named}"


def _families(wanted: Mapping[str, Rendered]) -> tuple[str, ...]:
    return tuple(str(one.task_definition["family"]) for one in wanted.values())


def _revisions(place: Place, families: Iterable[str], version: str = "") -> tuple[str, ...]:
    """Of the families that begin as the environment's names do, and those of the team's own."""
    others = sorted({name for name in families if not name.startswith(f"{place.prefix}-")})
    return (
        place.arn("ecs", f"task-definition/{place.prefix}-*{version}"),
        *(place.arn("ecs", f"task-definition/{name}:*") for name in others),
    )


def _services(place: Place, families: Iterable[str]) -> Iterator[Permission]:
    service = place.arn("ecs", f"service/{place.cluster}/{place.prefix}-*")
    in_cluster = {"ArnEquals": {"ecs:cluster": place.arn("ecs", f"cluster/{place.cluster}")}}
    ours = {
        f"aws:RequestTag/{names.APP}": place.app,
        f"aws:RequestTag/{names.ENVIRONMENT}": place.environment,
    }
    yield Permission(
        "look at the cluster",
        ("ecs:DescribeClusters",),
        (place.arn("ecs", f"cluster/{place.cluster}"),),
    )
    yield Permission(
        "deploy services",
        (
            *("ecs:CreateService", "ecs:UpdateService", "ecs:DeleteService"),
            *("ecs:DescribeServices", "ecs:TagResource", "ecs:UntagResource"),
        ),
        (service,),
    )
    yield Permission("list what runs", ("ecs:ListServices", "ecs:ListTasks"), ("*",), in_cluster)
    revisions = _revisions(place, families)
    yield Permission(
        "register revisions", ("ecs:RegisterTaskDefinition",), revisions, {"StringEquals": ours}
    )
    yield Permission(
        "tag revisions",
        ("ecs:TagResource",),
        revisions,
        {"StringEquals": {"ecs:CreateAction": "RegisterTaskDefinition"}},
    )
    yield Permission("read revisions", ("ecs:DescribeTaskDefinition",), ("*",), _here(place))


def _tasks(place: Place, families: Iterable[str]) -> Iterator[Permission]:
    task = place.arn("ecs", f"task/{place.cluster}/*")
    yield Permission("look at tasks", ("ecs:DescribeTasks", "ecs:StopTask"), (task,))
    yield Permission(
        "run tasks",
        ("ecs:RunTask",),
        _revisions(place, families, ":*"),
        {"ArnEquals": {"ecs:cluster": place.arn("ecs", f"cluster/{place.cluster}")}},
    )
    yield Permission(
        "enter containers",
        ("ecs:ExecuteCommand",),
        (place.arn("ecs", f"cluster/{place.cluster}"), task),
    )


def _schedules(place: Place, role: str) -> Iterator[Permission]:
    """Deleting a group is deleting what is in it, and scheduling is giving the role away."""
    group = place.arn("scheduler", f"schedule-group/{place.prefix}")
    yield Permission(
        "schedule tasks",
        (
            *("scheduler:CreateSchedule", "scheduler:UpdateSchedule"),
            *("scheduler:GetSchedule", "scheduler:DeleteSchedule"),
        ),
        (place.arn("scheduler", f"schedule/{place.prefix}/*"),),
    )
    yield Permission(
        "keep the schedule group",
        (
            *("scheduler:CreateScheduleGroup", "scheduler:DeleteScheduleGroup"),
            *("scheduler:GetScheduleGroup", "scheduler:ListTagsForResource"),
            "scheduler:TagResource",
        ),
        (group,),
    )
    yield Permission("list schedules", ("scheduler:ListSchedules",), ("*",), _here(place))
    to = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    yield Permission("give schedules their role", ("iam:PassRole",), (role,), to)
    yield Permission("look at the roles", ("iam:GetRole",), (role,))


def _around(place: Place, wanted: Mapping[str, Rendered]) -> Iterator[Permission]:
    group = place.arn("logs", f"log-group:{place.log_group}")
    yield Permission("read logs", ("logs:GetLogEvents",), (f"{group}:log-stream:*",))
    yield Permission("make the log group", ("logs:CreateLogGroup",), (f"{group}*",))
    here = _here(place)
    looks = ["ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"]
    looks += ["application-autoscaling:DescribeScalableTargets", "logs:DescribeLogGroups"]
    looks.append("servicequotas:ListServiceQuotas")
    if any(one.service.get("loadBalancers") for one in wanted.values()):
        looks.append("elasticloadbalancing:DescribeTargetGroups")
    if any("alarms" in one.service.get("deploymentConfiguration", {}) for one in wanted.values()):
        looks.append("cloudwatch:DescribeAlarms")
    yield Permission("look around", tuple(looks), ("*",), here)
    yield from _secrets(wanted, here)


def _secrets(wanted: Mapping[str, Rendered], here: Json) -> Iterator[Permission]:
    """That they are there. Their values are read by the execution role, never by shipit."""
    arns = {
        str(secret["valueFrom"])
        for one in wanted.values()
        for container in one.task_definition["containerDefinitions"]
        for secret in container.get("secrets") or ()
    }
    stored = sorted(":".join(arn.split(":")[:7]) for arn in arns if ":secretsmanager:" in arn)
    if stored:
        yield Permission("find secrets", ("secretsmanager:DescribeSecret",), tuple(stored))
    if any(":ssm:" in arn for arn in arns):
        yield Permission("find parameters", ("ssm:DescribeParameters",), ("*",), here)


def _here(place: Place) -> Json:
    return {"StringEquals": {"aws:RequestedRegion": place.region}}


def clearing(place: Place, wanted: Mapping[str, Rendered]) -> Iterator[Permission]:
    """For `leftovers`: it looks at every cluster of the region, since any may have a revision."""
    yield Permission(
        "see what uses revisions",
        (
            *("ecs:ListClusters", "ecs:ListServices", "ecs:ListTasks"),
            *("ecs:ListTaskDefinitionFamilies", "ecs:ListTaskDefinitions"),
            *("events:ListEventBuses", "events:ListRuleNamesByTarget", "scheduler:ListSchedules"),
        ),
        ("*",),
        _here(place),
    )
    yield Permission(
        "look into clusters rules and schedules",
        (
            *("ecs:DescribeServices", "ecs:DescribeTasks"),
            *("events:ListTargetsByRule", "scheduler:GetSchedule"),
        ),
        (
            *(place.arn("ecs", "service/*"), place.arn("ecs", "task/*")),
            *(place.arn("events", "rule/*"), place.arn("scheduler", "schedule/*")),
        ),
    )
    yield Permission(
        "deregister revisions", ("ecs:DeregisterTaskDefinition",), ("*",), _here(place)
    )
    yield Permission(
        "delete revisions",
        ("ecs:DeleteTaskDefinitions",),
        _revisions(place, _families(wanted)),
    )


def account_of(arns: Iterable[str]) -> str:
    """The account that the first ARN names, "" when there is none."""
    return next((arn.split(":")[4] for arn in sorted(arns) if arn.count(":") >= 5), "")
