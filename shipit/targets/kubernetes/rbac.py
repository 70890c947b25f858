"""What shipit asks of an API server, as the rules of a Role. Pure.

The table stands beside the code that asks, and a test holds it against the requests that the code
makes: nothing is granted that is not used, and nothing is used that is not granted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

Json = dict[str, Any]
GROUP = "rbac.authorization.k8s.io"
KEEP = ("create", "delete", "list", "patch")  # server-side apply is a patch, and may create


class Rule(msgspec.Struct, frozen=True, order=True):
    """One kind of object and the verbs on it; `group` is "" for the core."""

    group: str
    resource: str
    verbs: tuple[str, ...]


# What every deployment and every verb of `shipit` on containers needs, whatever is deployed.
ALWAYS: tuple[Rule, ...] = (
    Rule("", "configmaps", ("create", "get", "patch", "delete")),  # the ApplySet's parent
    Rule("", "events", ("list",)),
    Rule("", "limitranges", ("list",)),
    Rule("", "persistentvolumeclaims", ("delete", "list")),  # `shipit rm --volumes`
    Rule("", "pods", ("list", "watch")),
    # By WebSocket: get, and create since 1.35.
    Rule("", "pods/attach", ("create", "get")),
    Rule("", "pods/exec", ("create", "get")),
    Rule("", "pods/log", ("get",)),
    Rule("", "resourcequotas", ("list",)),
    Rule("apps", "replicasets", ("list", "watch")),
    Rule("batch", "cronjobs", ("list",)),
    Rule("batch", "jobs", ("create", "delete", "get", "list", "patch", "watch")),
)
CANARIES = Rule("flagger.app", "canaries", ("list", "watch"))
ROLLOUTS = Rule("argoproj.io", "rollouts", ("list", "watch"))
"""Where they are installed: a platform team's may be about what is deployed."""
WORKLOADS = (("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"))
"""Looked for also where none is deployed."""
WATCHED = {*WORKLOADS, ("argoproj.io", "Rollout"), ("flagger.app", "Canary")}
MADE = (
    *WORKLOADS,
    *(("", kind) for kind in ("ConfigMap", "PersistentVolumeClaim", "Service", "ServiceAccount")),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("batch", "CronJob"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
)
"""All that is made from compose.yaml."""


def group_kind(one: Json) -> tuple[str, str]:
    group, slash, _ = str(one["apiVersion"]).partition("/")
    return (group if slash else "", str(one["kind"]))


def role(name: str, namespace: str, wanted: Sequence[Rule]) -> Json:
    """A ClusterRole where there is no namespace. Rules with the same verbs in the same group are
    one line."""
    lines: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for rule in wanted:
        lines.setdefault((rule.group, rule.verbs), []).append(rule.resource)
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": f"{_prefix(namespace)}Role",
        "metadata": _metadata(name, namespace),
        "rules": [
            {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}
            for (group, verbs), resources in lines.items()
        ],
    }


def binding(name: str, namespace: str, subject: Json) -> Json:
    """`subject` as `subject_of` makes it."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": f"{_prefix(namespace)}RoleBinding",
        "metadata": _metadata(name, namespace),
        "roleRef": {"apiGroup": GROUP, "kind": f"{_prefix(namespace)}Role", "name": name},
        "subjects": [subject],
    }


def _prefix(namespace: str) -> str:
    return "" if namespace else "Cluster"


def _metadata(name: str, namespace: str) -> Json:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}


def subject_of(kind: str, name: str, namespace: str) -> Json:
    """`kind` is User, Group or ServiceAccount; the last as `name` or `namespace/name`."""
    if kind == "ServiceAccount":
        home, _, own = name.rpartition("/")
        return {"kind": kind, "name": own, "namespace": home or namespace}
    return {"apiGroup": GROUP, "kind": kind, "name": name}


def lacking(wanted: Iterable[Rule], granted: Sequence[Mapping[str, Any]]) -> Iterator[Rule]:
    """What of `wanted` the `resourceRules` of a SelfSubjectRulesReview do not have."""
    for rule in wanted:
        verbs = tuple(verb for verb in rule.verbs if not _grants(granted, rule, verb))
        if verbs:
            yield Rule(rule.group, rule.resource, verbs)


def _grants(granted: Sequence[Mapping[str, Any]], rule: Rule, verb: str) -> bool:
    """A line for objects of some names alone is none (authorization/v1, ResourceRule)."""
    subresource = rule.resource.partition("/")[2]
    resources = {rule.resource, "*", f"*/{subresource}" if subresource else "*"}
    return any(
        not line.get("resourceNames")
        and {verb, "*"} & set(line.get("verbs") or ())
        and {rule.group, "*"} & set(line.get("apiGroups") or ())
        and resources & set(line.get("resources") or ())
        for line in granted
    )
