"""Whether target groups can take the tasks: their type, VPC, ports, and a listener before them."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from shipit.model.deployment import Finding
from shipit.targets.ecs.look import Look, guarded
from shipit.targets.ecs.render import Rendered

Json = dict[str, Any]
_SUBJECT = "target groups"


def look_at(look: Look) -> Iterator[Finding]:
    for one in look.wanted.values():
        for balancer in one.service.get("loadBalancers") or ():
            arn = balancer.get("targetGroupArn")
            if not arn:
                continue  # a Classic Load Balancer has none
            port = int(balancer["containerPort"])
            yield from guarded(_SUBJECT, partial(_one, look, one, arn, port))


def _one(look: Look, one: Rendered, arn: str, port: int) -> Iterator[Finding]:
    answer = look.cloud.call("elbv2", "describe_target_groups", TargetGroupArns=[arn])
    group = answer["TargetGroups"][0]
    name = str(group.get("TargetGroupName"))
    kind = "ip" if one.task_definition.get("networkMode") == "awsvpc" else "instance"
    amiss = [*_wrong(group, name, kind), *_vpc(look, one, group)]
    yield from amiss
    yield from _ports(group, name, port)
    if not amiss:
        yield Finding("ok", _SUBJECT, name)


def _wrong(group: Json, name: str, kind: str) -> Iterator[Finding]:
    if group.get("TargetType") != kind:
        yield Finding(
            "error",
            _SUBJECT,
            f"{name} has targets of the type {group.get('TargetType')}",
            f"tasks here are registered by {kind}: make a target group of that type",
        )
    elif not group.get("LoadBalancerArns"):
        yield Finding(
            "error",
            _SUBJECT,
            f"no load balancer sends to {name}",
            "give it a listener: ECS refuses a service on it until then",
        )


def _vpc(look: Look, one: Rendered, group: Json) -> Iterator[Finding]:
    network = (one.service.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    subnets: Sequence[str] = network.get("subnets") or ()
    if not subnets or not group.get("VpcId"):
        return
    found = look.cloud.call("ec2", "describe_subnets", SubnetIds=list(subnets[:1]))
    vpc = found["Subnets"][0]["VpcId"]
    if vpc != group["VpcId"]:
        yield Finding(
            "error",
            _SUBJECT,
            f"{group['TargetGroupName']} is in {group['VpcId']}, and the tasks in {vpc}",
            "make one in the tasks' VPC",
        )


def _ports(group: Json, name: str, port: int) -> Iterator[Finding]:
    """ECS registers each task with its container's port, whatever the group's own is."""
    checked = str(group.get("HealthCheckPort") or "traffic-port")
    if checked not in ("traffic-port", str(port)):
        yield Finding(
            "warning",
            _SUBJECT,
            f"{name} checks health at port {checked}, and the container listens at {port}",
            "let it check the traffic port, if nothing listens there",
        )
    if group.get("Port") not in (None, port):
        yield Finding(
            "warning",
            _SUBJECT,
            f"{name} has the port {group['Port']}; tasks are registered with {port}",
        )
