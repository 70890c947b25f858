"""What would stop a deployment to ECS, found before it does. Reads only, each guarded by itself:
what this identity may not look at is a warning, and the rest is looked at all the same."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from shipit.errors import PreconditionError, RemoteError, ShipitError
from shipit.model.deployment import Desired, Finding
from shipit.targets.ecs import log_driver, names, preflight
from shipit.targets.ecs.cloud import Cloud, code_of, is_refused
from shipit.targets.ecs.render import Rendered, Setting

Json = dict[str, Any]
_ECR = re.compile(r"(\d{12})\.dkr\.ecr[-a-z]*\.([a-z0-9-]+)\.[a-z.]+/(.+)")
_ABSENT = (
    *("NoSuchEntity", "ResourceNotFoundException", "RepositoryNotFoundException"),
    *("ImageNotFoundException", "TargetGroupNotFound", "ParameterNotFound"),
    *("InvalidSubnetID.NotFound", "InvalidGroup.NotFound", "InvalidGroupId.Malformed"),
)


class Look(msgspec.Struct, frozen=True):
    """`wanted` are the services that would be deployed; none while there is no release."""

    cloud: Cloud
    cluster: str
    setting: Setting
    desired: Desired | None
    wanted: Mapping[str, Rendered]


def reach(cloud: Cloud, cluster: str) -> Finding:
    """Whether AWS answers, with these credentials, and has the cluster."""
    try:
        answer = cloud.call("ecs", "describe_clusters", clusters=[cluster])
    except ShipitError as error:
        return _error("cluster", error)
    found = answer.get("clusters") or ()
    if not found or found[0].get("status") != "ACTIVE":
        state = found[0].get("status") if found else "MISSING"
        return Finding(
            "error",
            "cluster",
            f"there is no active cluster {cluster} in {cloud.region} ({state})",
            "make it, or name another one as target.ecs.cluster",
        )
    return Finding("ok", "cluster", f"{cluster} in {cloud.region} answers")


def everything(look: Look) -> Iterator[Finding]:
    """After `reach` and once the release can be rendered."""
    for one in look.wanted.values():
        for note in one.notes:
            path, _, what = note.partition(" ")
            yield Finding("warning", path.rstrip(":"), what)
    for subject, one_look in (
        ("network", _network),
        ("execution role", _execution_role),
        ("log group", _log_groups),
        ("images", _images),
        ("secrets", _secrets),
        ("target groups", _target_groups),
        ("alarms", _alarms),
    ):
        yield from _guarded(subject, one_look, look)


def _guarded(
    subject: str, look_at: Callable[[Look], Iterator[Finding]], look: Look
) -> Iterator[Finding]:
    try:
        yield from look_at(look)
    except RemoteError as error:
        if code_of(error) in _ABSENT or not is_refused(error):
            yield _error(subject, error)
        else:
            yield Finding("warning", subject, f"cannot be looked at: {error.what}", error.next_step)
    except PreconditionError as error:
        yield _error(subject, error)


def _network(look: Look) -> Iterator[Finding]:
    network = look.setting.network
    if not network.subnets:
        return
    answer = look.cloud.call("ec2", "describe_subnets", SubnetIds=list(network.subnets))
    vpcs = {str(subnet["VpcId"]) for subnet in answer["Subnets"]}
    if network.security_groups:
        found = look.cloud.call(
            "ec2", "describe_security_groups", GroupIds=list(network.security_groups)
        )
        vpcs |= {str(group["VpcId"]) for group in found["SecurityGroups"]}
    if len(vpcs) > 1:
        yield Finding(
            "error",
            "network",
            f"the subnets and security groups are in several VPCs: {', '.join(sorted(vpcs))}",
            "name subnets and security groups of one VPC",
        )
    else:
        yield Finding("ok", "network", f"{len(network.subnets)} subnets in {' '.join(vpcs)}")


def _execution_role(look: Look) -> Iterator[Finding]:
    """Fargate needs one for a private registry, for logs and for secrets."""
    roles = {str(w.task_definition.get("executionRoleArn") or "") for w in look.wanted.values()}
    if "" in roles and look.setting.fargate and look.wanted:
        yield Finding(
            "error",
            "execution role",
            "ECS cannot pull from ECR, read secrets or write logs without one",
            "name it as target.ecs.execution_role",
        )
    for role in sorted(roles - {""}):
        answer = look.cloud.call("iam", "get_role", RoleName=names.last_part(role))
        yield from _trust(role, answer["Role"])


def _trust(role: str, found: Json) -> Iterator[Finding]:
    document = found.get("AssumeRolePolicyDocument") or {}
    if "ecs-tasks.amazonaws.com" not in str(document):
        yield Finding(
            "error",
            "execution role",
            f"{role} may not be assumed by ECS's tasks",
            "let ecs-tasks.amazonaws.com assume it",
        )
    else:
        yield Finding("ok", "execution role", role)


def _log_groups(look: Look) -> Iterator[Finding]:
    wanted = {
        (container.get("logConfiguration") or {}).get("options", {}).get(log_driver.GROUP, "")
        for one in look.wanted.values()
        for container in one.task_definition["containerDefinitions"]
    }
    for name in sorted(wanted - {""}):
        answer = look.cloud.call("logs", "describe_log_groups", logGroupNamePrefix=name)
        if any(group["logGroupName"] == name for group in answer.get("logGroups") or ()):
            yield Finding("ok", "log group", name)
        elif look.setting.target.log_group != name:
            yield Finding("ok", "log group", f"{name} will be made")
        else:
            yield Finding("error", "log group", f"there is no {name}", "make it, or leave it out")


def _images(look: Look) -> Iterator[Finding]:
    """Those that are in ECR. What an image is for is in the release, by its index."""
    for service, image in sorted(look.desired.images.items() if look.desired else ()):
        found = _ECR.fullmatch(image.repository)
        if not found:
            continue
        account, region, repository = found.groups()
        if region != look.cloud.region:
            yield Finding("warning", f"images {service}", f"is in {region}, and pulled from there")
            continue
        look.cloud.call(
            "ecr",
            "describe_images",
            registryId=account,
            repositoryName=repository,
            imageIds=[{"imageDigest": str(image.digest)}],
        )
        yield Finding("ok", f"images {service}", f"{image.digest.short} is in {repository}")


def _secrets(look: Look) -> Iterator[Finding]:
    """That they are there. Their values are not asked for."""
    wanted = {
        str(secret["valueFrom"])
        for one in look.wanted.values()
        for container in one.task_definition["containerDefinitions"]
        for secret in container.get("secrets") or ()
    }
    for arn in sorted(wanted):
        if ":ssm:" in arn:
            name = arn.partition(":parameter")[2]
            chosen = [{"Key": "Name", "Values": [name, name.lstrip("/")]}]
            answer = look.cloud.call("ssm", "describe_parameters", ParameterFilters=chosen)
            if not answer.get("Parameters"):
                yield Finding("error", "secrets", f"there is no parameter {name}")
                continue
        else:
            # What follows the name (a JSON key, a version) is ECS's own addition.
            look.cloud.call(
                "secretsmanager", "describe_secret", SecretId=":".join(arn.split(":")[:7])
            )
        yield Finding("ok", "secrets", arn)


def _target_groups(look: Look) -> Iterator[Finding]:
    for one in look.wanted.values():
        for balancer in one.service.get("loadBalancers") or ():
            arn = balancer["targetGroupArn"]
            answer = look.cloud.call("elbv2", "describe_target_groups", TargetGroupArns=[arn])
            group = answer["TargetGroups"][0]
            kind = "ip" if look.setting.own else "instance"
            if group.get("TargetType") != kind:
                yield Finding(
                    "error",
                    "target groups",
                    f"{names.last_part(arn)} has targets of the type {group.get('TargetType')}",
                    f"tasks here are registered by {kind}: make a target group of that type",
                )
            elif not group.get("LoadBalancerArns"):
                yield Finding(
                    "error",
                    "target groups",
                    f"no load balancer sends to {group.get('TargetGroupName')}",
                    "give it a listener: ECS refuses a service on it until then",
                )
            else:
                yield Finding("ok", "target groups", str(group.get("TargetGroupName")))


def _alarms(look: Look) -> Iterator[Finding]:
    for name, state in preflight.alarms(look.cloud, look.desired) if look.desired else ():
        if state == "ALARM":
            yield Finding(
                "error", "alarms", f"{name} is in ALARM already", "mend what it says first"
            )
        elif not state:
            yield Finding("error", "alarms", f"there is no alarm {name}", "make it")
        else:
            yield Finding("ok", "alarms", f"{name}: {state}")


def _error(subject: str, error: ShipitError) -> Finding:
    what = f"{error.what}: {error.why}" if error.why else error.what
    return Finding("error", subject, what, error.next_step)
