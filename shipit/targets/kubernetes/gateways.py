"""Whether the Gateways that routes name are there, and let them in. Reads only.

gateway-api.sigs.k8s.io, "Cross-Namespace routing": a listener takes routes of its Gateway's own
namespace, unless `allowedRoutes` says otherwise. What is not let in is a route that nothing serves.
"""

from collections.abc import Iterator
from typing import Any

from shipit.errors import RemoteError
from shipit.model.deployment import Finding
from shipit.targets.kubernetes import refusals
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.look import Look

Json = dict[str, Any]
_OPEN = "let its listener take them: allowedRoutes.namespaces.from: All, or a Selector of labels"


def look_at(look: Look) -> Iterator[Finding]:
    """A route may have other parents: a mesh's has a Service."""
    for route in look.of_kind("HTTPRoute"):
        for parent in route["spec"].get("parentRefs") or ():
            if parent.get("kind", "Gateway") == "Gateway":
                yield _gateway(look.cluster, route, parent)


def _gateway(cluster: Cluster, route: Json, parent: Json) -> Finding:
    name, of = str(parent["name"]), str(route["metadata"]["name"])
    home = str(route["metadata"].get("namespace") or cluster.namespace)
    space = str(parent.get("namespace") or home)
    found = cluster.get(route["apiVersion"], "Gateway", name, namespace=space)
    if found is None:
        what = f"there is no Gateway {name} in {space} for {of}"
        return Finding("error", "gateway", what, "make it, or name another one")
    every = (found.get("spec") or {}).get("listeners") or ()
    section = parent.get("sectionName")
    listeners = [one for one in every if section in (None, one["name"])]
    if every and not listeners:
        there = ", ".join(str(one["name"]) for one in every)
        what = f"the Gateway {space}/{name} has no listener {section} for {of} (it has: {there})"
        return Finding(
            "error", "gateway", what, "name another one: `section` in x-kubernetes.route"
        )
    return _let_in(cluster, listeners, f"{space}/{name}", of, home)


def _let_in(cluster: Cluster, listeners: list[Json], name: str, of: str, home: str) -> Finding:
    answers = [_lets(cluster, one, home, home == name.partition("/")[0]) for one in listeners]
    if True in answers or not listeners:
        return Finding("ok", "gateway", f"{of}: {name}")
    if None in answers:
        what = f"not verified whether the Gateway {name} takes routes of {home}: it goes by labels"
        return Finding("warning", "gateway", f"{what} that may not be read", _OPEN)
    what = f"the Gateway {name} takes no routes of {home}, and {of} is there"
    return Finding("error", "gateway", what, _OPEN)


def _lets(cluster: Cluster, listener: Json, home: str, is_own: bool) -> bool | None:
    """None where that cannot be told."""
    said = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    whose = said.get("from", "Same")
    if whose != "Selector":
        return bool(whose == "All" or (whose == "Same" and is_own))
    return _selects(cluster, said.get("selector") or {}, home)


def _selects(cluster: Cluster, selector: Json, home: str) -> bool | None:
    if selector.get("matchExpressions"):
        return None
    try:
        found = cluster.get("v1", "Namespace", home) or {}
    except RemoteError as error:
        if refusals.is_forbidden(error):
            return None
        raise
    labels = (found.get("metadata") or {}).get("labels") or {}
    return all(labels.get(k) == v for k, v in (selector.get("matchLabels") or {}).items())
