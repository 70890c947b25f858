"""Services as a pod: what its containers share. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes import extension, names
from shipit.targets.kubernetes.render import (
    accounts,
    claims,
    container,
    files,
    labels,
    nodes,
    ports,
    security,
    sharing,
)
from shipit.targets.kubernetes.render.probes import seconds
from shipit.targets.kubernetes.render.scope import Scope
from shipit.targets.kubernetes.render.text import filled, plain

Json = dict[str, Any]
_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PRIVILEGED_PORTS = 1024
_UNPRIVILEGED = "net.ipv4.ip_unprivileged_port_start"


def template(scope: Scope, members: tuple[str, ...]) -> Json:
    """Of the workload of `members[0]`, with the other ones in its pods."""
    head = members[0]
    made = _metadata(scope, head, names.labels(scope.desired, head))
    if len(members) > 1:
        made["annotations"] = {**made.get("annotations", {}), names.SERVICES: ",".join(members)}
    return {
        "metadata": made,
        "spec": {
            **filled(initContainers=[c for m in members for c in container.waiting(scope, m)]),
            "containers": [container.kept_up(scope, member) for member in members],
            **_shared(scope, members, head),
        },
    }


def once(scope: Scope, service: str, called: str, command: tuple[str, ...] = ()) -> Json:
    """Of one that runs to its end, and is not started again. `called` is its NAME."""
    own = {**names.labels(scope.desired, service), names.NAME: called}
    for volume in claims.mounted(scope.definition(service)):
        if claims.said(scope, volume).each:
            raise ConfigurationError(
                f"every replica has one of its own, and {service} would be none of them",
                path=f"volumes.{volume}.{extension.KEY}.each",
                next_step="`shipit exec` runs a command in one of the replicas",
            )
    return {
        "metadata": _metadata(scope, service, own),
        "spec": {
            **filled(initContainers=list(container.waiting(scope, service))),
            "containers": [container.alone(scope, service, command)],
            "restartPolicy": "Never",
            **_shared(scope, (service,), called),
        },
    }


def _metadata(scope: Scope, service: str, own: Mapping[str, str]) -> Json:
    return labels.metadata(f"services.{service}", scope.definition(service), own)


def _shared(scope: Scope, members: tuple[str, ...], called: str) -> Json:
    """`called` is the pod's NAME."""
    head = members[0]
    definition, path, said = scope.definition(head), f"services.{head}", scope.said(head)
    return {
        **filled(
            volumes=_volumes(scope, members),
            securityContext=_security(scope, members),
            terminationGracePeriodSeconds=_grace(scope, members),
            shareProcessNamespace=bool(definition.get("init")),
            hostPID=definition.get("pid") == "host",
            hostIPC=definition.get("ipc") == "host",
            runtimeClassName=str(definition.get("runtime") or ""),
            imagePullSecrets=[
                {"name": name} for m in members for name in scope.said(m).pull_secrets
            ],
            tolerations=list(said.tolerations),
            priorityClassName=said.priority_class,
        ),
        **_network(path, definition),
        **_nodes(scope, members, called),
        **accounts.of_pod(scope, head),
        # Variables for every Service of the namespace would be in the way of the app's own.
        "enableServiceLinks": False,
    }


def _volumes(scope: Scope, members: tuple[str, ...]) -> list[Json]:
    found: dict[str, Json] = {}
    for member in members:
        for mount in files.mounts(scope, member):
            if mount.volume is not None:
                found[mount.name] = mount.volume
    return list(found.values())


def _security(scope: Scope, members: tuple[str, ...]) -> Json:
    head = members[0]
    definition, path, said = scope.definition(head), f"services.{head}", scope.said(head)
    sysctls = {str(k): str(v) for k, v in (definition.get("sysctls") or {}).items()}
    if any(_listens_low(scope, m) for m in members) and definition.get("network_mode") != "host":
        # As Docker has it: whoever runs in a container may listen on any of its ports.
        sysctls.setdefault(_UNPRIVILEGED, "0")
    return filled(
        fsGroup=said.fs_group if said.fs_group is not None else _group_of_files(scope, members),
        supplementalGroups=_groups(f"{path}.group_add", definition),
        sysctls=[{"name": name, "value": value} for name, value in sorted(sysctls.items())],
    ) | ({"fsGroupChangePolicy": "OnRootMismatch"} if _has_group(scope, members) else {})


def _has_group(scope: Scope, members: tuple[str, ...]) -> bool:
    said = scope.said(members[0]).fs_group
    return said is not None or _group_of_files(scope, members) is not None


def _group_of_files(scope: Scope, members: tuple[str, ...]) -> int | None:
    """A new claim is root's: who is somebody else, and said so, could not write to it."""
    for member in members:
        mounts = files.mounts(scope, member)
        if any(m.volume is None or "persistentVolumeClaim" in m.volume for m in mounts):
            who = security.user(f"services.{member}", scope.definition(member))
            if who.user:
                return who.user if who.group is None else who.group
    return None


def _listens_low(scope: Scope, service: str) -> bool:
    definition, path = scope.definition(service), f"services.{service}"
    return not security.user(path, definition).is_root and any(
        port.number < _PRIVILEGED_PORTS for port in ports.ports(path, definition)
    )


def _groups(path: str, definition: Mapping[str, Any]) -> list[int]:
    found = []
    for n, said in enumerate(definition.get("group_add") or ()):
        if not str(said).isdecimal():
            raise ConfigurationError(
                f"Kubernetes takes a number here, and not {said}", path=f"{path}[{n}]"
            )
        found.append(int(said))
    return found


def _grace(scope: Scope, members: tuple[str, ...]) -> int | None:
    """The longest of its containers'."""
    found = [
        seconds(grace, 0)
        for member in members
        if (grace := scope.definition(member).get("stop_grace_period"))
    ]
    return max(found) if found else None


def _network(path: str, definition: Mapping[str, Any]) -> Json:
    name = plain(definition.get("hostname") or "")
    if name and not _HOSTNAME.fullmatch(name):
        raise ConfigurationError(
            f"a pod cannot be called {name}",
            path=f"{path}.hostname",
            why="that is 63 lower-case letters, digits and dashes at most",
        )
    is_host = definition.get("network_mode") == "host"
    return filled(
        hostname=name,
        hostNetwork=is_host,
        dnsPolicy="ClusterFirstWithHostNet" if is_host else "",
        hostAliases=_aliases(path, definition),
        dnsConfig=filled(
            nameservers=_listed(definition.get("dns")),
            searches=_listed(definition.get("dns_search")),
            options=[_option(str(one)) for one in _listed(definition.get("dns_opt"))],
        ),
    )


def _aliases(path: str, definition: Mapping[str, Any]) -> list[Json]:
    by_address: dict[str, list[str]] = {}
    for n, entry in enumerate(definition.get("extra_hosts") or ()):
        host, _, address = str(entry).replace("=", ":", 1).partition(":")
        if address == "host-gateway":
            raise ConfigurationError(
                "a pod has no gateway to its machine", path=f"{path}.extra_hosts[{n}]"
            )
        by_address.setdefault(address.strip("[]"), []).append(host)
    return [{"ip": ip, "hostnames": hosts} for ip, hosts in sorted(by_address.items())]


def _option(text: str) -> Json:
    name, _, value = text.partition(":")
    return filled(name=name, value=value)


def _nodes(scope: Scope, members: tuple[str, ...], called: str) -> Json:
    head = members[0]
    said = scope.said(head)
    made = nodes.placement(
        f"services.{head}",
        scope.definition(head),
        scope.desired.images[head],
        names.selector(scope.desired, head),
    )
    chosen = {**made.pop("nodeSelector", {}), **said.node_selector}
    affinity = {**made.pop("affinity", {}), **_together(scope, members, called)}
    return {**made, **filled(nodeSelector=chosen, affinity=affinity)}


def _together(scope: Scope, members: tuple[str, ...], called: str) -> Json:
    """With all pods that have the same volume, where a single node has it at a time."""
    found = {sharing.head_of(scope, other) for other in claims.neighbours(scope, members)}
    return nodes.together(scope.instance, found) if found - {called} else {}


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
