"""A compose service as a container. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes import extension, names
from shipit.targets.kubernetes.render import amounts, configs, files, ports, probes, security
from shipit.targets.kubernetes.render.probes import seconds
from shipit.targets.kubernetes.render.scope import Scope
from shipit.targets.kubernetes.render.text import filled, plain, unexpanded, words

Json = dict[str, Any]
_GPU = "nvidia.com/gpu"


def container(scope: Scope, service: str, *, command: Sequence[str] = ()) -> Json:
    """One that is kept up. With a `command`, one that runs to its end: nobody asks how it is.

    Raises ConfigurationError, by the key's path.
    """
    definition, path = scope.definition(service), f"services.{service}"
    return filled(
        name=names.label(service),
        image=definition["image"],
        command=words(definition.get("entrypoint")),
        args=words(definition.get("command")),
        workingDir=plain(definition.get("working_dir") or ""),
        env=list(_variables(scope, service)),
        ports=[port.of_container() for port in ports.ports(path, definition)],
        resources=resources(path, definition),
        volumeMounts=[mount.where for mount in files.mounts(scope, service)],
        stdin=bool(definition.get("stdin_open")),
        tty=bool(definition.get("tty")),
        securityContext=security.of_container(path, definition),
    ) | ({"args": words(command)} if command else {})


def kept_up(scope: Scope, service: str) -> Json:
    """With how it is asked whether it is well, and what it does as it starts and stops."""
    definition, path = scope.definition(service), f"services.{service}"
    said = scope.said(service)
    lifecycle = filled(
        postStart=_hook(f"{path}.post_start", definition.get("post_start")),
        preStop=_hook(f"{path}.pre_stop", definition.get("pre_stop")) or _drain(path, said),
    )
    return {
        **container(scope, service),
        **probes.probes(path, definition, said.probes),
        **filled(lifecycle=lifecycle),
    }


def alone(scope: Scope, service: str, command: Sequence[str]) -> Json:
    """That runs to its end; it answers to nobody, so it has no ports of a machine."""
    made = container(scope, service, command=command)
    return {key: value for key, value in made.items() if key != "ports"}


def waiting(scope: Scope, service: str) -> Iterator[Json]:
    """An init container for each `x-kubernetes.wait`: the dependency's own image has what can tell
    that it is there, and the kubelet runs it again until it says so."""
    definition, path = scope.definition(service), f"services.{service}"
    for needed, command in scope.said(service).wait.items():
        where = f"{path}.{extension.KEY}.wait.{needed}"
        if needed not in (definition.get("depends_on") or {}):
            raise ConfigurationError(f"{service} does not depend on {needed}", path=where)
        if not command:
            raise ConfigurationError("expected a command in its list form", path=where)
        other = scope.definition(needed)
        yield filled(
            name=names.label(f"wait-for-{needed}"),
            image=other["image"],
            command=words(command),
            resources=resources(path, definition),
            securityContext=security.of_container(f"services.{needed}", other),
        )


def resources(path: str, definition: Mapping[str, Any]) -> Json:
    """`requests` and `limits`. A GPU is a limit (kubernetes.io, "Schedule GPUs")."""
    deploy = definition.get("deploy") or {}
    said = deploy.get("resources") or {}
    limits, reserved = said.get("limits") or {}, said.get("reservations") or {}
    devices = (
        *_gpus(f"{path}.gpus", definition.get("gpus")),
        *_gpus(f"{path}.deploy.resources.reservations.devices", reserved.get("devices")),
    )
    requests = _amounts(
        f"{path}.deploy.resources.reservations",
        reserved.get("cpus"),
        reserved.get("memory") or definition.get("mem_reservation"),
    )
    most = _amounts(
        f"{path}.deploy.resources.limits",
        limits.get("cpus") or definition.get("cpus"),
        limits.get("memory") or definition.get("mem_limit"),
    )
    gpus = {_GPU: str(sum(devices))} if devices else {}
    return filled(requests=requests, limits=most | gpus)


def _amounts(path: str, cpu: Any, memory: Any) -> Json:
    return filled(
        cpu=amounts.cpu(cpu) if cpu and float(cpu) else "",
        memory=amounts.memory(memory, f"{path}.memory") if memory and str(memory) != "0" else "",
    )


def _gpus(path: str, devices: Any) -> Iterator[int]:
    for n, device in enumerate(devices or ()):
        count, where = device.get("count"), f"{path}[{n}]"
        plain_gpu = device.get("driver") in (None, "", "nvidia") and not device.get("device_ids")
        if not plain_gpu or set(device.get("capabilities") or ["gpu"]) - {"gpu", "nvidia"}:
            raise ConfigurationError(
                "Kubernetes gives GPUs by their number alone",
                path=where,
                next_step="write {driver: nvidia, count: 1, capabilities: [gpu]}, or use "
                f"{extension.KEY}.patch",
            )
        if not isinstance(count, int) or count < 1:
            raise ConfigurationError("expected how many GPUs", path=f"{where}.count")
        yield count


def _variables(scope: Scope, service: str) -> Iterator[Json]:
    """By name. One without a value is one of the machine that rendered the file: left out."""
    found = {
        name: {"name": name, "value": unexpanded(value)}
        for name, value in (scope.definition(service).get("environment") or {}).items()
        if value is not None
    }
    path = f"services.{service}.{extension.KEY}.secrets"
    for name, reference in scope.said(service).secrets.items():
        if name in found:
            raise ConfigurationError(
                f"{name} has a value under environment, too", path=f"{path}.{name}"
            )
        found[name] = {"name": name, "valueFrom": configs.variable(f"{path}.{name}", reference)}
    yield from (found[name] for name in sorted(found))


def _hook(path: str, hooks: Any) -> Json:
    """One command, as the container itself runs."""
    if not hooks:
        return {}
    first, *others = hooks
    if others:
        raise ConfigurationError("a container of Kubernetes has one of them", path=f"{path}[1]")
    for key in ("user", "privileged", "environment", "working_dir"):
        if first.get(key):
            raise ConfigurationError("it runs as the container does", path=f"{path}[0].{key}")
    return {"exec": {"command": [plain(word) for word in first["command"]]}}


def _drain(path: str, said: extension.Service) -> Json:
    """Time for whoever still sends requests here to hear that it goes (core/v1, SleepAction)."""
    if not said.drain:
        return {}
    try:
        return {"sleep": {"seconds": seconds(said.drain, 1)}}
    except ValueError as error:
        raise ConfigurationError(str(error), path=f"{path}.{extension.KEY}.drain") from None
