"""Compose's networks as NetworkPolicies. Pure.

Where every service is in one network with every other, there is nothing to keep apart, and no
policy: a cluster's own rules stay as they are. Where some are not, a pod takes connections from the
services that it shares a network with, and from everybody at the ports that it publishes. One that
is in `internal` networks alone reaches nothing else but names (DNS).

A policy is as good as the cluster's network: one that knows none lets everything pass
(kubernetes.io, "Network Policies", Prerequisites).
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.render import sharing
from shipit.targets.kubernetes.render.ports import ports
from shipit.targets.kubernetes.render.scope import Scope
from shipit.targets.kubernetes.render.text import filled

Json = dict[str, Any]
_DEFAULT = "default"
_DNS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def policies(scope: Scope) -> Iterator[Json]:
    """One for each service that has pods of its own."""
    pods = _pods(scope)
    networks = {head: _networks(scope, members) for head, members in pods.items()}
    closed = {head for head, joined in networks.items() if _is_closed(scope, joined)}
    apart = any(not networks[a] & networks[b] for a, b in combinations(networks, 2))
    if not apart and not closed:
        return
    for head, members in pods.items():
        peers = [other for other in pods if networks[other] & networks[head]]
        ingress = [{"from": [_peer(scope, peers)]}, *_published(scope, members)]
        spec: Json = {
            "podSelector": _peer(scope, [head])["podSelector"],
            "policyTypes": ["Ingress", "Egress"] if head in closed else ["Ingress"],
            "ingress": ingress,
        }
        if head in closed:
            spec["egress"] = [{"to": [_peer(scope, peers)]}, {"ports": _DNS}]
        name = names.label(head)
        yield scope.made("networking.k8s.io/v1", "NetworkPolicy", name, head, spec=spec)


def _pods(scope: Scope) -> dict[str, tuple[str, ...]]:
    """By head; hosts' networks are no pod's."""
    found = sharing.pods(scope)
    alone = {s: (s,) for s in scope.everything if s not in scope.desired.services}
    return {
        head: members
        for head, members in {**found, **alone}.items()
        if scope.definition(head).get("network_mode") != "host"
    }


def _networks(scope: Scope, members: tuple[str, ...]) -> frozenset[str]:
    return frozenset(
        network
        for member in members
        for network in scope.definition(member).get("networks") or {_DEFAULT: None}
    )


def _is_closed(scope: Scope, joined: frozenset[str]) -> bool:
    return all(scope.section("networks", network).get("internal") for network in joined)


def _peer(scope: Scope, services: list[str]) -> Json:
    """Their pods, and those that run a command in their place."""
    called = sorted({name for s in services for name in (s, names.run_of(s))})
    expression = {"key": names.NAME, "operator": "In", "values": called}
    selector = {"matchLabels": {names.INSTANCE: scope.instance}, "matchExpressions": [expression]}
    return {"podSelector": selector}


def _published(scope: Scope, members: tuple[str, ...]) -> Iterator[Json]:
    """From everywhere: what is published, and what an Ingress or a Gateway is to send here."""
    found = {
        (port.number, port.protocol)
        for member in members
        for port in ports(f"services.{member}", scope.definition(member))
        if port.published or _is_routed(scope, member)
    }
    if found:
        listed = [filled(port=number, protocol=protocol) for number, protocol in sorted(found)]
        yield {"ports": listed}


def _is_routed(scope: Scope, service: str) -> bool:
    said = scope.said(service)
    return bool(said.ingress or said.route)
