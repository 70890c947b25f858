"""Where the API server keeps objects of a kind: the paths of its REST API. Pure.

The kinds that shipit makes and watches are a table, so that no discovery is asked for them.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

Json = dict[str, Any]


class Resource(msgspec.Struct, frozen=True):
    """`plural` is the word in the path."""

    plural: str
    namespaced: bool = True


_KNOWN: dict[str, dict[str, str]] = {
    "v1": {
        "ConfigMap": "configmaps",
        "Event": "events",
        "LimitRange": "limitranges",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "Pod": "pods",
        "ResourceQuota": "resourcequotas",
        "Secret": "secrets",
        "Service": "services",
        "ServiceAccount": "serviceaccounts",
    },
    "apps/v1": {
        "DaemonSet": "daemonsets",
        "Deployment": "deployments",
        "ReplicaSet": "replicasets",
        "StatefulSet": "statefulsets",
    },
    "autoscaling/v2": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "batch/v1": {"CronJob": "cronjobs", "Job": "jobs"},
    "networking.k8s.io/v1": {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "rbac.authorization.k8s.io/v1": {"Role": "roles", "RoleBinding": "rolebindings"},
    "gateway.networking.k8s.io/v1": {"HTTPRoute": "httproutes"},
    "argoproj.io/v1alpha1": {"Rollout": "rollouts"},
    "flagger.app/v1beta1": {"Canary": "canaries"},
}
_WHOLE_CLUSTER: dict[str, dict[str, str]] = {
    "v1": {"Namespace": "namespaces", "Node": "nodes", "PersistentVolume": "persistentvolumes"},
    "storage.k8s.io/v1": {"StorageClass": "storageclasses"},
    "networking.k8s.io/v1": {"IngressClass": "ingressclasses"},
    "rbac.authorization.k8s.io/v1": {
        "ClusterRole": "clusterroles",
        "ClusterRoleBinding": "clusterrolebindings",
    },
    "apiextensions.k8s.io/v1": {"CustomResourceDefinition": "customresourcedefinitions"},
}
# Of the table, those groups that a cluster has only where somebody installed them.
_INSTALLED = frozenset({"gateway.networking.k8s.io", "argoproj.io", "flagger.app"})
# The version in which a group of the table is spoken: an ApplySet names its kinds without one.
_VERSIONS = {
    version.rpartition("/")[0]: version for version in (*_KNOWN, *_WHOLE_CLUSTER) if "/" in version
} | {"": "v1"}


def known(api_version: str, kind: str) -> Resource | None:
    """None for a kind that the API server has to be asked about."""
    if plural := _KNOWN.get(api_version, {}).get(kind):
        return Resource(plural)
    if plural := _WHOLE_CLUSTER.get(api_version, {}).get(kind):
        return Resource(plural, namespaced=False)
    return None


def is_built_in(api_version: str) -> bool:
    """Whether every cluster that shipit is tested with has it."""
    there = api_version in _KNOWN or api_version in _WHOLE_CLUSTER
    return there and api_version.rpartition("/")[0] not in _INSTALLED


def of_kind(group: str, kind: str) -> Resource | None:
    """Whatever the version, as an ApplySet names kinds."""
    version = version_of(group)
    return known(version, kind) if version else None


def plural(kind: str) -> str:
    """As kubectl guesses where it may not ask (apimachinery, meta.UnsafeGuessKindToResource)."""
    word = kind.lower()
    if word.endswith("s"):
        return f"{word}es"
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}s"


def version_of(group: str) -> str | None:
    """The group's version here; None for a group that the API server has to be asked about."""
    return _VERSIONS.get(group)


def discovered(answer: Mapping[str, Any], kind: str) -> Resource | None:
    """From an APIResourceList (meta/v1)."""
    for one in answer.get("resources") or ():
        if one.get("kind") == kind and "/" not in one["name"]:
            return Resource(str(one["name"]), bool(one.get("namespaced")))
    return None


def root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def path(api_version: str, resource: Resource, namespace: str, name: str = "") -> str:
    """Of one object, or of the collection when there is no name."""
    parts = [root(api_version)]
    if resource.namespaced:
        parts.append(f"namespaces/{quote(namespace, safe='')}")
    parts.append(resource.plural)
    if name:
        parts.append(quote(name, safe=""))
    return "/".join(parts)


def group_of(one: Mapping[str, Any]) -> str:
    group, slash, _ = str(one["apiVersion"]).partition("/")
    return group if slash else ""


def group_kind(one: Mapping[str, Any]) -> str:
    """`Deployment.apps`, as ApplySets and people write it; `ConfigMap` for the core group."""
    group = group_of(one)
    return f"{one['kind']}.{group}" if group else str(one["kind"])


def title(one: Mapping[str, Any]) -> str:
    """`Deployment/web`, for messages."""
    return f"{one['kind']}/{one['metadata']['name']}"


def key(one: Mapping[str, Any]) -> str:
    """Which object it is, whatever version it is spoken in."""
    return f"{group_kind(one)}/{one['metadata'].get('namespace', '')}/{one['metadata']['name']}"
