"""The way in, over HTTP: an Ingress, or an HTTPRoute at a Gateway. Pure.

networking.k8s.io/v1 and gateway.networking.k8s.io/v1. Controllers, classes and Gateways are the
cluster's own.
"""

from collections.abc import Iterator
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes import extension
from shipit.targets.kubernetes.render import ports
from shipit.targets.kubernetes.render.scope import Scope
from shipit.targets.kubernetes.render.text import filled

Json = dict[str, Any]


def routes(scope: Scope, service: str) -> Iterator[Json]:
    said = scope.said(service)
    if said.ingress:
        yield _ingress(scope, service, said.ingress)
    if said.route:
        yield _route(scope, service, said.route)


def _ingress(scope: Scope, service: str, said: extension.Ingress) -> Json:
    number = _port(scope, service, said.port, "ingress")
    backend = {"service": {"name": service, "port": {"number": number}}}
    path = {"path": said.path, "pathType": "Prefix", "backend": backend}
    rules = [filled(host=host, http={"paths": [path]}) for host in said.hosts or ("",)]
    tls = [filled(secretName=said.tls, hosts=list(said.hosts))] if said.tls else []
    spec = filled(ingressClassName=said.class_name, rules=rules, tls=tls)
    made = scope.made("networking.k8s.io/v1", "Ingress", service, service, spec=spec)
    notes = made["metadata"]["annotations"]
    made["metadata"]["annotations"] = {**said.annotations, **notes}
    return made


def _route(scope: Scope, service: str, said: extension.Route) -> Json:
    number = _port(scope, service, said.port, "route")
    space, slash, name = said.gateway.rpartition("/")
    if not name or (slash and not space):
        raise ConfigurationError(
            f"expected the name of a Gateway, or namespace/name, found {said.gateway!r}",
            path=f"services.{service}.{extension.KEY}.route.gateway",
        )
    parent = filled(name=name, namespace=space, sectionName=said.section)
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": said.path}}],
        "backendRefs": [{"name": service, "port": number}],
    }
    spec = filled(parentRefs=[parent], hostnames=list(said.hosts), rules=[rule])
    return scope.made("gateway.networking.k8s.io/v1", "HTTPRoute", service, service, spec=spec)


def _port(scope: Scope, service: str, said: int | None, key: str) -> int:
    path, definition = f"services.{service}", scope.definition(service)
    return ports.first(path, definition, said, f"{extension.KEY}.{key}.port")
