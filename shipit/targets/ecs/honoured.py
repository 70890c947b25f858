"""Which keys of Compose ECS can honour. Nothing in a user's file is silently ignored: a key that is
in no table here is refused by its path.

docs.aws.amazon.com/AmazonECS, "Task definition parameters" for Fargate and for EC2.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shipit.errors import ConfigurationError

Refusal = tuple[str, str, str]  # path, what, next step

_SERVICE = {
    *("image", "command", "entrypoint", "user", "working_dir", "read_only", "tmpfs", "ulimits"),
    *("stop_grace_period", "healthcheck", "depends_on", "volumes", "logging", "deploy", "scale"),
    *("platform", "environment", "secrets", "ports", "cpus", "mem_limit", "mem_reservation"),
    *("labels", "init", "tty", "stdin_open", "sysctls", "cap_add", "cap_drop", "networks"),
    *("privileged", "shm_size", "network_mode", "restart", "extra_hosts", "dns", "dns_search"),
    *("hostname", "expose", "profiles", "attach", "env_file", "label_file"),
}
_DEPLOY = {
    "mode": (),
    "replicas": (),
    "labels": (),
    "resources": ("limits", "reservations"),
    "update_config": (
        *("parallelism", "order", "failure_action", "monitor"),
        *("delay", "max_failure_ratio"),
    ),
    "restart_policy": ("condition", "delay", "window", "max_attempts"),
}
# They only tune how a machine of one's own does it: the plan says that they do nothing.
_WITHOUT_EFFECT = (
    ("deploy", "labels"),
    ("deploy", "update_config", "delay"),
    ("deploy", "update_config", "max_failure_ratio"),
    ("deploy", "restart_policy"),
    ("attach",),
)
_EC2_ONLY = ("tmpfs", "privileged", "shm_size", "extra_hosts", "dns", "dns_search", "hostname")
_NOT_WITH_OWN_ADDRESS = ("extra_hosts", "dns", "dns_search", "hostname")
_WHY = {
    "configs": "ECS mounts no files; put it into the image, or give it as a variable",
    "container_name": "ECS names containers after their service; remove it",
    "devices": "remove it here (`!reset null` in the overlay)",
    "links": "use x-ecs.service_connect, or x-ecs.task for one task",
    "stop_signal": "set STOPSIGNAL in the Dockerfile",
}


def refuse(project: Mapping[str, Any], names: tuple[str, ...], *, fargate: bool, own: bool) -> None:
    """Raises ConfigurationError for the first key that cannot be honoured.

    `own`: each task has an address of its own (network mode awsvpc).
    """
    for path, what, next_step in refusals(project, names, fargate=fargate, own=own):
        raise ConfigurationError(what, path=path, next_step=next_step)


def refusals(
    project: Mapping[str, Any], names: tuple[str, ...], *, fargate: bool, own: bool
) -> Iterator[Refusal]:
    for name in names:
        definition = {k: v for k, v in project["services"][name].items() if not _empty(v)}
        path = f"services.{name}"
        yield from _unknown(path, definition)
        yield from _deploy(f"{path}.deploy", definition.get("deploy") or {})
        yield from _launch(path, definition, fargate=fargate, own=own)
        yield from _values(path, definition, fargate=fargate)


def notes(project: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    """What has no effect, for the plan to say."""
    for name in names:
        definition = project["services"][name]
        for keys in _WITHOUT_EFFECT:
            if not _empty(_value(definition, keys)):
                yield f"services.{name}.{'.'.join(keys)} has no effect on ECS"
        for network, said in (definition.get("networks") or {}).items():
            if network != "default" or said:
                yield (
                    f"services.{name}.networks.{network} has no effect on ECS: tasks are in the"
                    " target's subnets, and find one another by x-ecs.service_connect"
                )


def _unknown(path: str, definition: Mapping[str, Any]) -> Iterator[Refusal]:
    for key in definition:
        if key not in _SERVICE and not key.startswith("x-"):
            yield f"{path}.{key}", "ECS cannot honour this", _WHY.get(key, "remove it here")


def _deploy(path: str, deploy: Mapping[str, Any]) -> Iterator[Refusal]:
    for key, value in deploy.items():
        if _empty(value) or key.startswith("x-"):
            continue
        if key not in _DEPLOY:
            yield f"{path}.{key}", "ECS cannot honour this", "remove it here"
        for inner in value if isinstance(value, dict) and _DEPLOY.get(key) else ():
            if inner not in _DEPLOY[key]:
                yield f"{path}.{key}.{inner}", "ECS cannot honour this", "remove it here"
    resources = deploy.get("resources") or {}
    for kind in ("limits", "reservations"):
        for key in resources.get(kind) or {}:
            if key not in ("cpus", "memory"):
                where = f"{path}.resources.{kind}.{key}"
                yield where, "ECS cannot honour this", "remove it here"


def _launch(
    path: str, definition: Mapping[str, Any], *, fargate: bool, own: bool
) -> Iterator[Refusal]:
    for key in _EC2_ONLY if fargate else _NOT_WITH_OWN_ADDRESS if own else ():
        if key in definition:
            kind = "Fargate" if fargate else "a task with an address of its own"
            step = "use launch_type: ec2" if fargate else "remove it here, or leave out subnets"
            yield f"{path}.{key}", f"{kind} cannot do this", step
    added = [c for c in definition.get("cap_add") or () if c != "SYS_PTRACE"]
    if fargate and added:
        yield f"{path}.cap_add", f"Fargate adds no {', '.join(added)}, only SYS_PTRACE", ""
    mode = (definition.get("deploy") or {}).get("mode") or "replicated"
    if mode != "replicated" and (fargate or mode != "global"):
        yield f"{path}.deploy.mode", f"{mode} is not possible here", "leave it out, or use ec2"
    network = definition.get("network_mode")
    if network and (network not in ("bridge", "host", "none") or own):
        yield f"{path}.network_mode", f"{network} is not possible here", "remove it here"


def _values(path: str, definition: Mapping[str, Any], *, fargate: bool) -> Iterator[Refusal]:
    kept_up = not definition.get("x-shipit")
    if definition.get("restart") == "no" and kept_up:
        yield (
            f"{path}.restart",
            "ECS starts a service's tasks again whenever they end",
            "mark what runs once: `x-shipit: {run: before}`",
        )
    for name in definition.get("ulimits") or {}:
        if fargate and name != "nofile":
            yield f"{path}.ulimits.{name}", "Fargate has nofile alone", "remove it here"
    condition = _value(definition, ("deploy", "restart_policy", "condition"))
    if condition not in (None, "any", "on-failure") and kept_up:
        yield (
            f"{path}.deploy.restart_policy.condition",
            "ECS starts a service's tasks again whenever they end",
            "mark what runs once: `x-shipit: {run: before}`",
        )


def _empty(value: Any) -> bool:
    return value is None or value is False or value in ({}, [], "")


def _value(found: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        found = (found or {}).get(key)
    return found
