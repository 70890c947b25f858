"""Which services share pods: `x-kubernetes: {pod: web}`, or `network_mode: "service:web"`, which in
Compose is the network of web's container, and on Kubernetes its pod. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes import extension
from shipit.targets.kubernetes.render.scope import Scope

_OF_SERVICE = "service:"


def pods(scope: Scope) -> dict[str, tuple[str, ...]]:
    """By the service whose workload it is, the services that are containers in it, itself first.

    Raises ConfigurationError for one that cannot be with the other.
    """
    found: dict[str, list[str]] = {
        name: [name] for name in scope.desired.services if not _beside(scope, name)[0]
    }
    for name in scope.desired.services:
        head, path = _beside(scope, name)
        if head and head not in found:
            raise ConfigurationError(
                f"there is no service {head} that is kept up in pods of its own", path=path
            )
        if head:
            _refuse_own(scope, name, head)
            found[head].append(name)
    return {name: tuple(members) for name, members in found.items()}


def head_of(scope: Scope, service: str) -> str:
    return _beside(scope, service)[0] or service


def _beside(scope: Scope, service: str) -> tuple[str, str]:
    """The service that it is with, and where that is said; empty when it is by itself."""
    path, definition = f"services.{service}", scope.definition(service)
    network = str(definition.get("network_mode") or "")
    if network.startswith(_OF_SERVICE):
        return network.removeprefix(_OF_SERVICE), f"{path}.network_mode"
    return scope.said(service).pod, f"{path}.{extension.KEY}.pod"


# What a pod and its workload have once: a container beside another one cannot say it for itself.
_ONCE = (
    *("annotations", "dns", "dns_opt", "dns_search", "extra_hosts", "group_add", "hostname"),
    *("init", "ipc", "labels", "pid", "platform", "runtime", "scale", "sysctls"),
)
_ONCE_IN_DEPLOY = ("endpoint_mode", "labels", "placement", "replicas", "update_config")
_ONCE_IN_EXTENSION = (
    *("autoscale", "fs_group", "node_selector", "patch", "priority_class", "publish"),
    *("service_account", "tolerations"),
)
# What only a pod that is kept up can have.
_OF_KEPT_UP = ("autoscale", "drain", "ingress", "pod", "probes", "publish", "route")


def refuse_of_tasks(scope: Scope) -> None:
    """Raises ConfigurationError for what nothing that runs to its end can have."""
    for service in scope.everything:
        if service in scope.desired.services:
            continue
        definition, path = scope.definition(service), f"services.{service}"
        own = f"{path}.{extension.KEY}"
        found = [
            f"{own}.{key}" for key in _OF_KEPT_UP if key in (definition.get(extension.KEY) or {})
        ]
        if str(definition.get("network_mode") or "").startswith(_OF_SERVICE):
            found.append(f"{path}.network_mode")
        for where in found:
            raise ConfigurationError(f"{service} runs to its end, and has none", path=where)


def _refuse_own(scope: Scope, service: str, head: str) -> None:
    definition, path = scope.definition(service), f"services.{service}"
    deploy = definition.get("deploy") or {}
    said = (
        *(f"{path}.{key}" for key in _said(definition, _ONCE)),
        *(f"{path}.deploy.{key}" for key in _said(deploy, _ONCE_IN_DEPLOY)),
        *(
            f"{path}.{extension.KEY}.{key}"
            for key in _ONCE_IN_EXTENSION
            if key in (definition.get(extension.KEY) or {})
        ),
    )
    if deploy.get("mode") == "global":
        said = (*said, f"{path}.deploy.mode")
    for where in said:
        raise ConfigurationError(
            f"it is a container of {head}'s pods", path=where, next_step=f"say it of {head}"
        )


def _said(found: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    yield from (key for key in keys if found.get(key) not in (None, "", [], {}, False))
