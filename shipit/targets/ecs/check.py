"""What would stop a deployment to ECS, found before it does. Reads only, each guarded by itself:
what this identity may not look at is a warning, and the rest is looked at all the same."""

from collections.abc import Iterator
from functools import partial

from shipit.errors import ShipitError
from shipit.model.deployment import Finding
from shipit.targets.ecs import balancers, execution_role, images, preflight, quotas
from shipit.targets.ecs.cloud import Cloud
from shipit.targets.ecs.look import Look, guarded, parameter, wrong


def reach(cloud: Cloud, cluster: str) -> Finding:
    """Whether AWS answers, with these credentials, and has the cluster."""
    try:
        answer = cloud.call("ecs", "describe_clusters", clusters=[cluster])
    except ShipitError as error:
        return wrong("cluster", error)
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
        ("execution role", execution_role.look_at),
        ("log group", _log_groups),
        ("images", images.look_at),
        ("secrets", _secrets),
        ("target groups", balancers.look_at),
        ("alarms", _alarms),
        ("quotas", quotas.look_at),
    ):
        yield from guarded(subject, partial(one_look, look))


def _network(look: Look) -> Iterator[Finding]:
    wanted, groups = look.network()
    if not wanted:
        return
    answer = look.cloud.call("ec2", "describe_subnets", SubnetIds=wanted)
    subnets = answer["Subnets"]
    vpcs = {str(subnet["VpcId"]) for subnet in subnets}
    if groups:
        found = look.cloud.call("ec2", "describe_security_groups", GroupIds=groups)
        vpcs |= {str(group["VpcId"]) for group in found["SecurityGroups"]}
    free = sum(int(subnet.get("AvailableIpAddressCount", 0)) for subnet in subnets)
    tasks = sum(quotas.peak(one) for one in look.wanted.values())
    if len(vpcs) > 1:
        yield Finding(
            "error",
            "network",
            f"the subnets and security groups are in several VPCs: {', '.join(sorted(vpcs))}",
            "name subnets and security groups of one VPC",
        )
    elif free < tasks:
        yield Finding(
            "error",
            "network",
            f"the subnets have {free} free addresses, and up to {tasks} tasks need one each",
            "name more subnets, or deploy fewer at once (update_config.parallelism)",
        )
    else:
        yield Finding("ok", "network", f"{len(wanted)} subnets in {' '.join(vpcs)}")


def _log_groups(look: Look) -> Iterator[Finding]:
    for name in look.log_groups(look.containers()):
        answer = look.cloud.call("logs", "describe_log_groups", logGroupNamePrefix=name)
        if any(group["logGroupName"] == name for group in answer.get("logGroups") or ()):
            yield Finding("ok", "log group", name)
        elif look.setting.target.log_group != name:
            yield Finding("ok", "log group", f"{name} will be made")
        else:
            yield Finding("error", "log group", f"there is no {name}", "make it, or leave it out")


def _secrets(look: Look) -> Iterator[Finding]:
    """That they are there, each by itself. Their values are not asked for."""
    wanted = {str(s["valueFrom"]) for c in look.containers() for s in c.get("secrets") or ()}
    for arn in sorted(wanted):
        yield from guarded("secrets", partial(_secret, look, arn))


def _secret(look: Look, arn: str) -> Iterator[Finding]:
    name = parameter(arn)
    if name:
        chosen = [{"Key": "Name", "Values": [name, name.lstrip("/")]}]
        answer = look.cloud.call("ssm", "describe_parameters", ParameterFilters=chosen)
        if not answer.get("Parameters"):
            yield Finding("error", "secrets", f"there is no parameter {name}")
            return
    else:
        # What follows the name (a JSON key, a version) is ECS's own addition.
        look.cloud.call("secretsmanager", "describe_secret", SecretId=":".join(arn.split(":")[:7]))
    yield Finding("ok", "secrets", arn)


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
