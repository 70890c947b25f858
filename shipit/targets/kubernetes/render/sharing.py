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


# What a pod has once: a container beside another one cannot say it for itself.
_OF_THE_POD = ("hostname", "extra_hosts", "dns", "dns_search", "dns_opt", "sysctls", "group_add")
_OF_THE_WORKLOAD = ("autoscale", "publish", "service_account", "fs_group", "node_selector", "patch")


def _refuse_own(scope: Scope, service: str, head: str) -> None:
    definition, path = scope.definition(service), f"services.{service}"
    for key in _said(definition, _OF_THE_POD):
        raise _belongs(f"{path}.{key}", head)
    for key in _said(definition.get(extension.KEY) or {}, _OF_THE_WORKLOAD):
        raise _belongs(f"{path}.{extension.KEY}.{key}", head)
    deploy = definition.get("deploy") or {}
    if deploy.get("replicas", 1) != 1 or deploy.get("mode") == "global":
        raise _belongs(f"{path}.deploy", head)


def _said(found: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    yield from (key for key in keys if found.get(key))


def _belongs(path: str, head: str) -> ConfigurationError:
    return ConfigurationError(
        f"it is a container of {head}'s pods", path=path, next_step=f"say it of {head}"
    )
