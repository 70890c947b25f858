"""A team's own definitions as what is deployed: what ECS fills in is filled in here too, so that
what runs compares with what is asked for. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from shipit.errors import ConfigurationError
from shipit.model.deployment import Desired
from shipit.targets.ecs import groups, names, own, strategy
from shipit.targets.ecs.groups import Group
from shipit.targets.ecs.render import Rendered, Setting, capacity, network_configuration

Json = dict[str, Any]
_NOT_SENT = ("desiredCount", "serviceName", "deploymentController")
# docs.aws.amazon.com/AmazonECS, "Task size": `1 vCPU` and `2 GB` are what the API takes too.
_SIZE = re.compile(r"\s*([0-9.]+)\s*(vcpu|gb)?\s*", re.IGNORECASE)
_CHECK = {"interval": 30, "timeout": 5, "retries": 3}
_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}


def rendered(desired: Desired, setting: Setting) -> dict[str, Rendered]:
    """By the group's name. Raises ConfigurationError for what does not go with the target."""
    found = groups.groups(desired.project, desired.services)
    return {
        str(body["name"]): _rendered(desired, body, found[str(body["name"])], setting)
        for body in desired.source
        if body["name"] in found
    }


def of_container(desired: Desired, name: str) -> str:
    """The group in whose task the container is; "" when it is none of the definitions'."""
    for body in desired.source:
        if name in {c["name"] for c in body[own.TASK]["containerDefinitions"]}:
            return str(body["name"])
    return ""


def _rendered(desired: Desired, body: Json, group: Group, setting: Setting) -> Rendered:
    name = names.service_name(setting.prefix, group.name)
    given: Json = body[own.SERVICE]
    if given.get("serviceName", name) != name:
        raise ConfigurationError(
            f"the service is {name} here, and not {given['serviceName']}",
            path=f"{group.name}.service.serviceName",
            why="names begin with target.ecs.prefix, and end with the container's name",
            next_step="set the prefix so that both agree, or take serviceName away",
        )
    definition = _task_definition(body[own.TASK], name, setting)
    _refuse_architecture(desired, definition, group)
    return Rendered(
        group=group,
        name=name,
        task_definition=definition,
        service=_service(given, definition, group, setting),
        count=int(given.get("desiredCount", 1)),
        notes=tuple(_notes(given, group)),
    )


def _notes(given: Json, group: Group) -> list[str]:
    if "desiredCount" in given or given.get("schedulingStrategy") == "DAEMON":
        return []
    return [f"services.{group.name}: its file has no desiredCount, so the count stays as it is"]


def _task_definition(given: Json, name: str, setting: Setting) -> Json:
    awsvpc = given.get("networkMode") == "awsvpc"
    roles = {
        "executionRoleArn": setting.target.execution_role,
        "taskRoleArn": setting.target.task_role,
    }
    # docs.aws.amazon.com, RegisterTaskDefinition: networkMode's default, on Linux.
    mode = {} if _is_windows(given) else {"networkMode": "bridge"}
    return {
        "family": name,
        **mode,
        **{key: role for key, role in roles.items() if role},
        **given,
        **{key: _sized(key, given[key]) for key in ("cpu", "memory") if key in given},
        "containerDefinitions": [
            _container(container, awsvpc=awsvpc) for container in given["containerDefinitions"]
        ],
    }


def _is_windows(definition: Json) -> bool:
    platform = definition.get("runtimePlatform") or {}
    return str(platform.get("operatingSystemFamily", "LINUX")).startswith("WINDOWS")


def _sized(key: str, text: str) -> str:
    """CPU units and MiB, as ECS answers with them."""
    found = _SIZE.fullmatch(text)
    unit = (found[2] or "").lower() if found else ""
    if not found or (unit and unit != {"cpu": "vcpu", "memory": "gb"}[key]):
        return text  # ECS says what is wrong with it
    return f"{float(found[1]) * 1024:.0f}" if unit else found[1]


def _container(given: Json, *, awsvpc: bool) -> Json:
    made: Json = {"essential": True, **given}
    if "portMappings" in given:
        made["portMappings"] = [_port(port, awsvpc=awsvpc) for port in given["portMappings"]]
    if "healthCheck" in given:
        made["healthCheck"] = {**_CHECK, **given["healthCheck"]}
    return made


def _port(given: Json, *, awsvpc: bool) -> Json:
    same = {"hostPort": given["containerPort"]} if awsvpc and "containerPort" in given else {}
    return {"protocol": "tcp", **same, **given}


def _service(given: Json, definition: Json, group: Group, setting: Setting) -> Json:
    """As it is sent: what it leaves out is the target's, and ECS's defaults are written out."""
    daemon = given.get("schedulingStrategy") == "DAEMON"
    made: Json = {"schedulingStrategy": "REPLICA", **given}
    if not {"launchType", "capacityProviderStrategy"} & given.keys():
        made |= capacity(setting, daemon=daemon)
    made["deploymentConfiguration"] = (
        _rolling(given["deploymentConfiguration"], daemon=daemon)
        if given.get("deploymentConfiguration")
        else strategy.configuration({"mode": "global"} if daemon else {}, 1, ())
    )
    network = _network(given, definition, group, setting)
    if network:
        made["networkConfiguration"] = network
    return {k: v for k, v in made.items() if k not in _NOT_SENT}


def _rolling(given: Json, *, daemon: bool) -> Json:
    """docs.aws.amazon.com, DeploymentConfiguration: the defaults of both percents."""
    least, most = (0, 100) if daemon else (100, 200)
    breaker = {"enable": False, "rollback": False, **(given.get("deploymentCircuitBreaker") or {})}
    return {
        "maximumPercent": most,
        "minimumHealthyPercent": least,
        **given,
        "deploymentCircuitBreaker": breaker,
    }


def _network(
    given: Json, definition: Json, group: Group, setting: Setting
) -> Mapping[str, Any] | None:
    if definition.get("networkMode") != "awsvpc":
        return given.get("networkConfiguration")
    own_one = (given.get("networkConfiguration") or {}).get("awsvpcConfiguration")
    if own_one:
        return {
            "awsvpcConfiguration": {
                "assignPublicIp": "DISABLED",
                **own_one,
                "subnets": sorted(own_one["subnets"]),
                "securityGroups": sorted(own_one.get("securityGroups") or ()),
            }
        }
    found = network_configuration(setting)
    if not found or not (setting.network.subnets or setting.target.subnet_tags):
        raise ConfigurationError(
            "its tasks have addresses of their own, and no subnets are named",
            path=f"{group.name}.service.networkConfiguration",
            next_step="write it in the service's file, or name target.ecs.subnets",
        )
    return found


def _refuse_architecture(desired: Desired, definition: Json, group: Group) -> None:
    if _is_windows(definition):
        return
    asked = (definition.get("runtimePlatform") or {}).get("cpuArchitecture", "X86_64")
    for name in group.members:
        there = {p.platform.architecture for p in desired.images[name].platforms}
        if there and _ARCHITECTURES.get(asked) not in there:
            raise ConfigurationError(
                f"the image of {name} is for {', '.join(sorted(there))}, and the task for {asked}",
                path=f"{group.name}.task_definition.runtimePlatform.cpuArchitecture",
                next_step="build it for that platform too, or name the one that it is for",
            )
