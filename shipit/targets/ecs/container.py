"""A compose service as a container definition. Pure."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from shipit.errors import ConfigurationError
from shipit.model.duration import parse_duration
from shipit.targets.ecs import extension, health, log_driver, secret_arns, volumes
from shipit.targets.ecs.sizes import cpu_units, mebibytes
from shipit.targets.ecs.text import unescaped, words

Json = dict[str, Any]
_LONGEST_STOP = 120  # seconds, on Fargate


class Place(msgspec.Struct, frozen=True):
    """What a container needs to know of where it will be. `own`: awsvpc."""

    fargate: bool
    own: bool
    group: str  # its task's
    log_group: str
    region: str
    members: tuple[str, ...] = ()


def container(
    project: Mapping[str, Any], name: str, said: extension.Service, place: Place
) -> tuple[Json, list[str]]:
    """The definition, and notes for the plan. Raises ConfigurationError, by the key's path."""
    definition = project["services"][name]
    path = f"services.{name}"
    references, notes = secret_arns.secrets(project, path, definition, said.secrets)
    check, more = health.health_check(path, definition)
    made: Json = {
        "name": name,
        "image": definition["image"],
        "essential": said.essential and not _waited_for(project, name, place),
        "environment": _environment(definition),
        "secrets": [{"name": n, "valueFrom": arn} for n, arn in sorted(references.items())],
        "portMappings": ports(definition, place),
        "mountPoints": volumes.mounts(path, definition),
        "dependsOn": _depends_on(definition, place),
        "ulimits": _ulimits(definition),
        "dockerLabels": {k: unescaped(v) for k, v in (definition.get("labels") or {}).items()},
        "systemControls": _sysctls(definition),
        "linuxParameters": _linux(path, definition),
        "healthCheck": check,
        "logConfiguration": log_driver.log_configuration(
            path,
            definition,
            group=place.log_group,
            region=place.region,
            task=place.group,
            fargate=place.fargate,
        ),
        **_process(definition),
        **_network(definition),
        **sizes(definition),
        **_stop(path, definition, place),
    }
    if said.firelens:
        made["firelensConfiguration"] = {"type": said.firelens}
    return {k: v for k, v in made.items() if not _nothing(v)}, notes + more


def sizes(definition: Mapping[str, Any]) -> Json:
    """CPU units and MiB that Compose asks for; empty where it asks for none."""
    resources = (definition.get("deploy") or {}).get("resources") or {}
    limits, reserved = resources.get("limits") or {}, resources.get("reservations") or {}
    cpu = reserved.get("cpus") or limits.get("cpus") or definition.get("cpus")
    memory = limits.get("memory") or definition.get("mem_limit")
    soft = reserved.get("memory") or definition.get("mem_reservation")
    return {
        **({"cpu": cpu_units(cpu)} if cpu else {}),
        **({"memory": mebibytes(memory)} if memory else {}),
        **({"memoryReservation": mebibytes(soft)} if soft else {}),
    }


def ports(definition: Mapping[str, Any], place: Place) -> list[Json]:
    """With an address of its own a task's port is the container's; else the machine's, or any."""
    found = []
    for port in definition.get("ports") or ():
        published = str(port.get("published") or "0").partition("-")[0]
        made: Json = {
            "containerPort": int(port["target"]),
            "hostPort": int(port["target"]) if place.own else int(published),
            "protocol": port.get("protocol") or "tcp",
        }
        if port.get("name"):
            made["name"] = port["name"]
        if port.get("app_protocol") in ("http", "http2", "grpc"):
            made["appProtocol"] = port["app_protocol"]
        found.append(made)
    return list({(p["containerPort"], p["protocol"]): p for p in found}.values())


def port_notes(path: str, definition: Mapping[str, Any], place: Place) -> list[str]:
    return [
        f"{path}.ports: {port['published']} is not published; the task answers on its own address"
        f" at {port['target']}"
        for port in definition.get("ports") or ()
        if place.own and port.get("published") and str(port["published"]) != str(port["target"])
    ]


def _process(definition: Mapping[str, Any]) -> Json:
    flags = {
        "pseudoTerminal": definition.get("tty"),
        "interactive": definition.get("stdin_open"),
        "readonlyRootFilesystem": definition.get("read_only"),
        "privileged": definition.get("privileged"),
    }
    return {
        "command": words(definition.get("command")),
        "entryPoint": words(definition.get("entrypoint")),
        "user": unescaped(definition.get("user") or ""),
        "workingDirectory": unescaped(definition.get("working_dir") or ""),
        **{name: True for name, value in flags.items() if value},
    }


def _network(definition: Mapping[str, Any]) -> Json:
    """What only containers without an address of their own can have; refused for the others."""
    hosts = []
    for entry in definition.get("extra_hosts") or ():
        host, _, address = str(entry).replace("=", ":", 1).partition(":")
        hosts.append({"hostname": host, "ipAddress": address})
    return {
        "extraHosts": hosts,
        "dnsServers": _listed(definition.get("dns")),
        "dnsSearchDomains": _listed(definition.get("dns_search")),
        "hostname": definition.get("hostname") or "",
    }


def _environment(definition: Mapping[str, Any]) -> list[Json]:
    """A variable without a value is one of the machine that rendered the file: left out."""
    found = definition.get("environment") or {}
    return [
        {"name": name, "value": unescaped(value)}
        for name, value in sorted(found.items())
        if value is not None
    ]


_CONDITIONS = {
    "service_started": "START",
    "service_healthy": "HEALTHY",
    "service_completed_successfully": "SUCCESS",
}


def _depends_on(definition: Mapping[str, Any], place: Place) -> list[Json]:
    return [
        {"containerName": needed, "condition": _CONDITIONS[how["condition"]]}
        for needed, how in sorted((definition.get("depends_on") or {}).items())
        if needed in place.members
    ]


def _waited_for(project: Mapping[str, Any], name: str, place: Place) -> bool:
    """Whether another container waits for this one's end: its task goes on without it."""
    edges = (project["services"][n].get("depends_on") or {} for n in place.members)
    return any(
        (edge.get(name) or {}).get("condition") == "service_completed_successfully"
        for edge in edges
    )


def _ulimits(definition: Mapping[str, Any]) -> list[Json]:
    found = []
    for name, limit in sorted((definition.get("ulimits") or {}).items()):
        soft, hard = (limit, limit) if isinstance(limit, int) else (limit["soft"], limit["hard"])
        found.append({"name": name, "softLimit": soft, "hardLimit": hard})
    return found


def _sysctls(definition: Mapping[str, Any]) -> list[Json]:
    found = definition.get("sysctls") or {}
    return [{"namespace": key, "value": str(value)} for key, value in sorted(found.items())]


def _linux(path: str, definition: Mapping[str, Any]) -> Json:
    capabilities = {
        key: sorted(definition[written])
        for key, written in (("add", "cap_add"), ("drop", "cap_drop"))
        if definition.get(written)
    }
    tmpfs = list(volumes.temporary(path, definition))
    shared = definition.get("shm_size")
    return {
        **({"initProcessEnabled": True} if definition.get("init") else {}),
        **({"capabilities": capabilities} if capabilities else {}),
        **({"sharedMemorySize": mebibytes(shared)} if shared else {}),
        **({"tmpfs": tmpfs} if tmpfs else {}),
    }


def _stop(path: str, definition: Mapping[str, Any], place: Place) -> Json:
    if not definition.get("stop_grace_period"):
        return {}
    seconds = math.ceil(parse_duration(definition["stop_grace_period"]).total_seconds())
    if place.fargate and seconds > _LONGEST_STOP:
        raise ConfigurationError(
            f"Fargate waits for {_LONGEST_STOP} s at most, not {seconds}",
            path=f"{path}.stop_grace_period",
        )
    return {"stopTimeout": max(seconds, 2)}


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _nothing(value: Any) -> bool:
    return value is None or value in ([], {}, "")
