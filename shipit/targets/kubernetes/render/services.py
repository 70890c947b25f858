"""A service's name in the cluster, as its name in Compose's networks. Pure.

One with ports has an address that leads to all of its ready pods, at the container's own port
numbers. One without has a name that stands for its pods themselves (a headless Service): Compose's
services reach one another at any port, written down or not.
"""

from collections.abc import Iterator
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.render import sharing
from shipit.targets.kubernetes.render.ports import Port, ports
from shipit.targets.kubernetes.render.scope import Scope
from shipit.targets.kubernetes.render.text import filled

Json = dict[str, Any]
_DNS = names.label


def services(scope: Scope, service: str) -> Iterator[Json]:
    """Under its own name, and every other that it has."""
    definition, path = scope.definition(service), f"services.{service}"
    found = ports(path, definition)
    network = str(definition.get("network_mode") or "")
    if network.startswith("service:") and not found:
        return  # a container in another one's network has no name of its own
    direct = (definition.get("deploy") or {}).get("endpoint_mode") == "dnsrr" or not found
    for name in (service, *aliases(scope, service)):
        spec = filled(
            clusterIP="None" if direct else "",
            selector=_selector(scope, service),
            ports=[port.of_service() for port in found],
        )
        yield scope.made("v1", "Service", name, service, spec=spec)
    yield from _published(scope, service, found)


def aliases(scope: Scope, service: str) -> list[str]:
    """`networks.*.aliases` and `container_name`, which Compose resolves, too."""
    definition, path = scope.definition(service), f"services.{service}"
    found: dict[str, str] = {}
    for network, said in (definition.get("networks") or {}).items():
        for name in (said or {}).get("aliases") or ():
            found.setdefault(str(name), f"{path}.networks.{network}.aliases")
    if definition.get("container_name"):
        found.setdefault(str(definition["container_name"]), f"{path}.container_name")
    found.pop(service, None)
    for name, where in found.items():
        _refuse_no_name(where, name)
        if name in scope.desired.services:
            raise ConfigurationError(f"{name} is another service's name", path=where)
    return list(found)


def _refuse_no_name(path: str, name: str) -> None:
    if _DNS(name) != name or not name[0].isalpha():
        raise ConfigurationError(
            f"no Service of Kubernetes can be called {name}",
            path=path,
            why="that is 63 lower-case letters, digits and dashes at most, a letter first",
        )


def refuse_two_of_a_name(scope: Scope) -> None:
    """Compose would send requests to either; a Service has one selector."""
    owners: dict[str, str] = {}
    for service in scope.desired.services:
        for name in aliases(scope, service):
            other = owners.setdefault(name, service)
            if other != service:
                raise ConfigurationError(
                    f"{other} has the alias {name}, too", path=f"services.{service}.networks"
                )


def _selector(scope: Scope, service: str) -> dict[str, str]:
    return names.selector(scope.desired, sharing.head_of(scope, service))


def _published(scope: Scope, service: str, found: tuple[Port, ...]) -> Iterator[Json]:
    """For who is outside, by a Service of its own: what is inside goes on as it was."""
    said, path = scope.said(service).publish, f"services.{service}"
    if said is None:
        return
    outer = [port for port in found if port.published]
    if not outer:
        raise ConfigurationError(
            "it publishes no port", path=f"{path}.ports", next_step="write `ports: [80:8080]`"
        )
    spec = filled(
        type=said.type,
        loadBalancerClass=said.class_name,
        selector=_selector(scope, service),
        ports=[port.of_outside() for port in outer],
    )
    made = scope.made("v1", "Service", f"{service}-public", service, spec=spec)
    notes = made["metadata"]["annotations"]
    made["metadata"]["annotations"] = {**said.annotations, **notes}
    yield made


def notes(scope: Scope) -> Iterator[str]:
    for service in scope.desired.services:
        said, path = scope.said(service), f"services.{service}"
        if said.publish or said.ingress or said.route:
            continue
        for port in ports(path, scope.definition(service)):
            if port.published and not port.is_host:
                yield (
                    f"{path}.ports: {port.published} is not reached from outside of the cluster:"
                    " x-kubernetes has ingress, route and publish"
                )
