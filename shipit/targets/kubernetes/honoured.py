"""Which keys of Compose Kubernetes can honour. Nothing in a user's file is silently ignored: a key
that is in no table here is refused by its path, and what has no effect is a note in the plan.

compose-spec/compose-spec, schema/compose-spec.json; a test walks its keys.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes import extension

Json = Mapping[str, Any]
Refusal = tuple[str, str, str]  # path, what, next step

_SERVICE = frozenset(
    {
        *("annotations", "cap_add", "cap_drop", "command", "configs", "container_name", "cpus"),
        *("depends_on", "deploy", "dns", "dns_opt", "dns_search", "entrypoint", "environment"),
        *("expose", "extra_hosts", "gpus", "group_add", "healthcheck", "hostname", "image"),
        *("init", "ipc", "labels", "links", "mem_limit", "mem_reservation", "network_mode"),
        *("networks", "pid", "platform", "ports", "post_start", "pre_stop", "privileged"),
        *("read_only", "restart", "runtime", "scale", "secrets", "security_opt", "shm_size"),
        *("stdin_open", "stop_grace_period", "sysctls", "tmpfs", "tty", "user", "volumes"),
        *("working_dir", "userns_mode"),
        # Compose has done with these before a release is made.
        *("build", "develop", "env_file", "extends", "label_file", "profiles", "pull_policy"),
        "pull_refresh_after",
    }
)
_WITHOUT_EFFECT = {
    "attach": "it is of `docker compose up`",
    "logging": "the nodes keep what containers write, and the cluster's collector takes it",
}
_DEPLOY = {
    "endpoint_mode": frozenset[str](),
    "labels": frozenset[str](),
    "mode": frozenset[str](),
    "placement": frozenset({"constraints", "preferences"}),
    "replicas": frozenset[str](),
    "resources": frozenset({"limits", "reservations"}),
    "restart_policy": frozenset({"condition", "delay", "max_attempts", "window"}),
    "rollback_config": frozenset[str](),
    "update_config": frozenset(
        {"delay", "failure_action", "max_failure_ratio", "monitor", "order", "parallelism"}
    ),
}
_DEPLOY_WITHOUT_EFFECT = (
    (("rollback_config",), "going back is a rollout like any other"),
    (("update_config", "max_failure_ratio"), "no pod may fail"),
    (("restart_policy", "delay"), "the kubelet waits 10 s, and twice as long each time"),
    (("restart_policy", "window"), "the kubelet forgets failures after 10 minutes"),
    (("restart_policy", "max_attempts"), "what is kept up is started again for ever"),
)
_RESOURCES = {
    "limits": frozenset({"cpus", "memory"}),
    "reservations": frozenset({"cpus", "memory", "devices"}),
}
# The keys of mappings and of lists' items, where they are not read one by one elsewhere.
_INNER = {
    "depends_on": frozenset({"condition", "required", "restart"}),
    "networks": frozenset({"aliases"}),
    "ports": frozenset(
        {"app_protocol", "host_ip", "mode", "name", "protocol", "published", "target"}
    ),
    "configs": frozenset({"gid", "mode", "source", "target", "uid"}),
    "secrets": frozenset({"gid", "mode", "source", "target", "uid"}),
    "volumes": frozenset({"read_only", "source", "target", "tmpfs", "type", "volume", "bind"}),
    "gpus": frozenset({"capabilities", "count", "device_ids", "driver"}),
}
_INNER_OF_VOLUMES = {"tmpfs": frozenset({"mode", "size"}), "volume": frozenset({"subpath"})}
_SECTIONS = {
    "networks": frozenset({"driver", "enable_ipv4", "external", "internal", "labels", "name"}),
    "volumes": frozenset({"driver", "external", "labels", "name"}),
    "configs": frozenset({"content", "environment", "external", "file", "name"}),
    "secrets": frozenset({"environment", "external", "file", "name"}),
}
_PROJECT = frozenset({*_SECTIONS, "include", "name", "services", "version"})
_DRIVERS = {"networks": ("", "bridge", "overlay", "default"), "volumes": ("", "local")}
_WHY = {
    "blkio_config": "",
    "cgroup_parent": "the kubelet keeps the groups",
    "cpu_shares": "use deploy.resources.reservations.cpus",
    "cpu_quota": "use deploy.resources.limits.cpus",
    "cpuset": "use deploy.resources, and the nodes' CPU manager",
    "devices": "use a device plugin of the nodes, and x-kubernetes.patch",
    "domainname": "names come from the namespace",
    "external_links": "use the other one's name, as name.namespace",
    "mac_address": "the cluster's network gives addresses",
    "memswap_limit": "the nodes keep swap",
    "pids_limit": "the kubelet's podPidsLimit does it, for every pod",
    "stop_signal": "set STOPSIGNAL in the Dockerfile",
    "ulimits": "the container runtime of the nodes has them; raise them there",
    "uts": "use hostname",
    "volumes_from": "name the volume in both",
}
# A Service's name (RFC 1035), so that others find it as they do in Compose; and as long as a
# StatefulSet's can be, whose pods carry it in a label with 11 characters more.
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,50}[a-z0-9])?")
_TASK_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,57}[A-Za-z0-9])?")
_RESTARTS = (None, "", "always", "unless-stopped", "on-failure")
_REMOVE = "remove it here (`!reset null` in the environment's overlay)"


def refuse(project: Json, services: Iterable[str]) -> None:
    """Raises ConfigurationError for the first key that cannot be honoured."""
    for path, what, next_step in refusals(project, tuple(services)):
        raise ConfigurationError(what, path=path, next_step=next_step)


def refusals(project: Json, services: tuple[str, ...]) -> Iterator[Refusal]:
    """Of what the services say and use."""
    yield from _unknown("", project, _PROJECT)
    if project.get(extension.KEY):
        yield extension.KEY, "this goes under a service, a volume, a secret or a config", ""
    for name in services:
        definition, path = _said(project["services"][name]), f"services.{name}"
        yield from _unknown(path, definition, _SERVICE | _WITHOUT_EFFECT.keys())
        yield from _inner(path, definition)
        yield from _deploy(f"{path}.deploy", _said(definition.get("deploy") or {}))
        yield from _values(path, definition)
        yield from _name(path, name, definition)
        if _is_kept_up(definition):
            yield from _kept_up(path, project, definition)
    yield from _sections(project, services)


def notes(project: Json, kept_up: tuple[str, ...], services: tuple[str, ...]) -> Iterator[str]:
    """What has no effect, or another one than in Compose, for the plan to say."""
    for name in services:
        definition, path = _said(project["services"][name]), f"services.{name}"
        for key, why in _WITHOUT_EFFECT.items():
            if key in definition:
                yield f"{path}.{key} has no effect on Kubernetes: {why}"
        for keys, why in _DEPLOY_WITHOUT_EFFECT:
            if _value(definition.get("deploy"), keys):
                yield f"{path}.deploy.{'.'.join(keys)} has no effect on Kubernetes: {why}"
        if name in kept_up:
            yield from _order_notes(path, definition, kept_up)
        elif definition.get("restart") not in (None, "no") and _runs_once(definition):
            yield f"{path}.restart has no effect on Kubernetes: what runs once is tried once"


def _order_notes(path: str, definition: Json, kept_up: tuple[str, ...]) -> Iterator[str]:
    waits = extension.service(path, definition).wait
    for needed, how in (definition.get("depends_on") or {}).items():
        if needed not in kept_up or needed in waits:
            continue
        if how.get("condition") == "service_healthy":
            yield (
                f"{path}.depends_on.{needed}: Kubernetes starts all at once; {needed} has no"
                f" address before it is ready, and what ends for that is started again."
                f" `{extension.KEY}: {{wait: {{{needed}: [command]}}}}` waits"
            )
        if how.get("restart"):
            yield f"{path}.depends_on.{needed}.restart has no effect on Kubernetes"


def _unknown(path: str, found: Json, known: Iterable[str]) -> Iterator[Refusal]:
    names = set(known)
    for key, value in found.items():
        if key not in names and not str(key).startswith("x-") and not _empty(value):
            where = f"{path}.{key}" if path else str(key)
            yield where, "Kubernetes cannot honour this", _WHY.get(key) or _REMOVE


def _inner(path: str, definition: Json) -> Iterator[Refusal]:
    for key, known in _INNER.items():
        for where, item in _items(f"{path}.{key}", definition.get(key)):
            yield from _unknown(where, item, known)
            for inner, words in _INNER_OF_VOLUMES.items() if key == "volumes" else ():
                yield from _unknown(f"{where}.{inner}", item.get(inner) or {}, words)


def _items(path: str, value: Any) -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping):
        yield from ((f"{path}.{key}", item or {}) for key, item in value.items())
    else:
        for n, item in enumerate(value or ()):
            yield f"{path}[{n}]", item


def _deploy(path: str, deploy: Json) -> Iterator[Refusal]:
    yield from _unknown(path, deploy, _DEPLOY)
    for key, known in _DEPLOY.items():
        if known and isinstance(deploy.get(key), Mapping):
            yield from _unknown(f"{path}.{key}", deploy[key], known)
    for key, known in _RESOURCES.items():
        yield from _unknown(
            f"{path}.resources.{key}", _value(deploy, ("resources", key)) or {}, known
        )
    devices = _value(deploy, ("resources", "reservations", "devices"))
    for where, item in _items(f"{path}.resources.reservations.devices", devices):
        yield from _unknown(where, item, _INNER["gpus"])


def _values(path: str, definition: Json) -> Iterator[Refusal]:
    for key, possible in (
        ("pid", ("host",)),
        ("ipc", ("host", "private")),
        ("userns_mode", ("host",)),
    ):
        said = definition.get(key)
        if said is not None and said not in possible:
            yield f"{path}.{key}", f"Kubernetes cannot honour {said}", _REMOVE
    network = str(definition.get("network_mode") or "bridge")
    if network not in ("bridge", "default", "host") and not network.startswith("service:"):
        yield f"{path}.network_mode", f"Kubernetes cannot honour {network}", _REMOVE
    for n, link in enumerate(definition.get("links") or ()):
        service, _, alias = str(link).partition(":")
        if alias and alias != service:
            step = f"write it under networks.default.aliases of {service}"
            yield f"{path}.links[{n}]", "an alias is one for everybody on Kubernetes", step


def _name(path: str, name: str, definition: Json) -> Iterator[Refusal]:
    pattern = _NAME if _is_kept_up(definition) else _TASK_NAME
    if not pattern.fullmatch(name):
        yield (
            path,
            f"Kubernetes cannot call a service {name}: others could not find it by that name",
            "call it with lower-case letters, digits and dashes, 52 at most, a letter first",
        )


def _kept_up(path: str, project: Json, definition: Json) -> Iterator[Refusal]:
    """A pod that has ended is started again, whatever it says."""
    mark = "mark what runs once: `x-shipit: {run: before}`"
    again = "Kubernetes starts a service's pods again whenever they end"
    if str(definition.get("restart") or "").partition(":")[0] not in _RESTARTS:
        yield f"{path}.restart", again, mark
    condition = _value(definition, ("deploy", "restart_policy", "condition"))
    if condition not in (None, "any", "on-failure"):
        yield f"{path}.deploy.restart_policy.condition", again, mark
    mode = _value(definition, ("deploy", "mode"))
    if mode not in (None, "replicated", "global"):
        yield f"{path}.deploy.mode", f"Kubernetes cannot honour {mode}", mark
    for needed, how in (definition.get("depends_on") or {}).items():
        other = project["services"].get(needed) or {}
        if how.get("condition") == "service_completed_successfully" and _is_kept_up(other):
            where = f"{path}.depends_on.{needed}.condition"
            yield where, f"{needed} is kept up, and never completes", mark


def _sections(project: Json, services: tuple[str, ...]) -> Iterator[Refusal]:
    """Of the networks, volumes, configs and secrets that the services use."""
    for section, known in _SECTIONS.items():
        for name in _used(project, section, services):
            defined, path = (project.get(section) or {}).get(name) or {}, f"{section}.{name}"
            yield from _unknown(path, defined, known)
            if section == "networks" and defined.get(extension.KEY):
                yield f"{path}.{extension.KEY}", "there is nothing to say of a network", ""
            driver = defined.get("driver") or ""
            if section in _DRIVERS and driver not in _DRIVERS[section]:
                step = f"use {extension.KEY} for a storage class" if section == "volumes" else ""
                yield f"{path}.driver", f"Kubernetes has no driver {driver}", step or _REMOVE


def _used(project: Json, section: str, services: tuple[str, ...]) -> list[str]:
    found: dict[str, None] = {}
    for service in services:
        said = project["services"][service].get(section) or ()
        for entry in said:
            name = entry if isinstance(entry, str) else entry.get("source")
            if name:
                found[str(name)] = None
    return list(found)


def _is_kept_up(definition: Json) -> bool:
    return not definition.get("x-shipit")


def _runs_once(definition: Json) -> bool:
    return "run" in (definition.get("x-shipit") or {})


def _said(found: Json) -> dict[str, Any]:
    return {key: value for key, value in found.items() if not _empty(value)}


def _empty(value: Any) -> bool:
    return value is None or value is False or (value in ({}, [], ""))


def _value(found: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        found = (found or {}).get(key)
    return found
