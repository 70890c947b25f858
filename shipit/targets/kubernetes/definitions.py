"""Kinds that come with a deployment: CustomResourceDefinitions, and objects of theirs beside them.

kubernetes.io, "Extend the Kubernetes API with CustomResourceDefinitions": objects can be made once
the definition is Established; until then not even a dry run of them is taken.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shipit.targets.kubernetes import resources
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.refusals import UnknownKindError

Json = dict[str, Any]
KIND = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
# Where there are several API servers, a definition is established 5 s after its names are taken.
_ESTABLISHED = 60.0  # seconds
_LOOK = 0.2  # seconds between two looks, before jitter


def is_definition(one: Mapping[str, Any]) -> bool:
    return resources.group_kind(one) == "CustomResourceDefinition.apiextensions.k8s.io"


def defined(one: Mapping[str, Any]) -> str:
    """The kind that it defines, as `Widget.example.com`."""
    return f"{one['spec']['names']['kind']}.{one['spec']['group']}"


def cluster_wide(objects: Iterable[Json]) -> Iterator[str]:
    """Those of the kinds defined among `objects` that are of no namespace. Pure."""
    for one in objects:
        if is_definition(one) and one["spec"].get("scope") == "Cluster":
            yield defined(one)


def discovered(cluster: Cluster, objects: Iterable[Json]) -> Iterator[str]:
    """Those of the kinds that are of no namespace, where the API server has to be asked."""
    for one in objects:
        if resources.known(one["apiVersion"], one["kind"]) is None:
            try:
                found = cluster.resource(one["apiVersion"], one["kind"])
            except UnknownKindError:
                continue  # brought, or refused by the rehearsal
            if not found.namespaced:
                yield resources.group_kind(one)


def awaited(cluster: Cluster, made: Mapping[str, Json]) -> dict[str, str]:
    """Wait until those of `made` that are definitions are established. What is not within a
    minute, or cannot be, by its key, in words."""
    until = cluster.connection.clock() + _ESTABLISHED
    left = {key: one for key, one in made.items() if is_definition(one)}
    refused: dict[str, str] = {}
    while left:
        for key, one in tuple(left.items()):
            said = _standing(cluster, one)
            if said != _STILL:
                del left[key]
            if said not in (_STILL, ""):
                refused[key] = f"{resources.title(one)}: {said}"
        if left and cluster.connection.clock() > until:
            late = f"was not established within {_ESTABLISHED:.0f}s"
            return refused | {key: f"{resources.title(one)} {late}" for key, one in left.items()}
        if left:
            cluster.connection.pause(_LOOK * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
    return refused


_STILL = "is not established yet"


def _standing(cluster: Cluster, one: Json) -> str:
    """Empty once objects of its kind are taken; else what keeps it from being so."""
    name = one["metadata"]["name"]
    found = next(iter(cluster.list(*KIND, fields=f"metadata.name={name}")), None)
    if found is None:
        return "it was deleted by somebody else"
    said = {c["type"]: c for c in (found.get("status") or {}).get("conditions") or ()}
    for kind in ("NamesAccepted", "Terminating"):
        condition = said.get(kind) or {}
        if condition.get("status") == ("False" if kind == "NamesAccepted" else "True"):
            return str(condition.get("message") or condition.get("reason") or kind)
    if (said.get("Established") or {}).get("status") != "True":
        return _STILL
    return "" if _is_served(cluster, found) else _STILL


def _is_served(cluster: Cluster, found: Json) -> bool:
    """Discovery follows a moment later."""
    try:
        for version in found["spec"]["versions"]:
            if version.get("served"):
                group = found["spec"]["group"]
                cluster.resource(f"{group}/{version['name']}", found["spec"]["names"]["kind"])
    except UnknownKindError:
        return False
    return True
