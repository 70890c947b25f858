"""What keeps a service's pods running. Pure.

A Deployment; a StatefulSet where a volume is in one pod at a time, because a Deployment would
start the new pod beside the old one, which holds the volume; a DaemonSet for `deploy.mode: global`.
"""

from collections.abc import Mapping
from typing import Any

from shipit.model.application import replicas
from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.render import claims, labels, pod, probes, rollout
from shipit.targets.kubernetes.render.scope import Scope

Json = dict[str, Any]


def workload(scope: Scope, members: tuple[str, ...]) -> Json:
    """Of `members[0]`, with the other ones in its pods."""
    head = members[0]
    deploy = _deploy(scope, head)
    kind = kind_of(scope, members)
    made = scope.made("apps/v1", kind, head, head, spec=_spec(scope, members, kind))
    return labels.marked(f"services.{head}.deploy.labels", deploy.get("labels") or {}, made)


def kind_of(scope: Scope, members: tuple[str, ...]) -> str:
    if _deploy(scope, members[0]).get("mode") == "global":
        return "DaemonSet"
    each = any(claims.said(scope, volume).each for volume in _volumes(scope, members))
    return "StatefulSet" if each or claims.neighbours(scope, members) else "Deployment"


def _spec(scope: Scope, members: tuple[str, ...], kind: str) -> Json:
    head = members[0]
    made: Json = {
        "selector": {"matchLabels": names.selector(scope.desired, head)},
        "template": pod.template(scope, members),
        **_strategy(scope, members, kind),
    }
    ready = _ready_for(scope, members)
    if ready:
        made["minReadySeconds"] = ready
    # The count of one that is scaled by itself is the autoscaler's (FIELD.md, failure mode 34).
    if kind != "DaemonSet" and scope.said(head).autoscale is None:
        made["replicas"] = replicas(scope.definition(head))
    return made


def _strategy(scope: Scope, members: tuple[str, ...], kind: str) -> Json:
    head = members[0]
    deploy = _deploy(scope, head)
    if kind == "DaemonSet":
        return {"updateStrategy": rollout.of_daemon_set(deploy)}
    if kind == "Deployment":
        # It has to be longer than the time for which a pod is to be ready.
        longest = max(int(scope.desired.deadline), _ready_for(scope, members) + 1)
        return {"strategy": rollout.of_deployment(deploy), "progressDeadlineSeconds": longest}
    made: Json = {
        "serviceName": head,
        "updateStrategy": rollout.of_stateful_set(f"services.{head}", deploy),
        # In order, a rollout that is stuck cannot be rolled back (kubernetes.io, "StatefulSets",
        # Forced rollback); and Compose starts replicas side by side.
        "podManagementPolicy": "Parallel",
    }
    each = [v for v in _volumes(scope, members) if claims.said(scope, v).each]
    if each:
        made["volumeClaimTemplates"] = [claims.template(scope, volume) for volume in each]
    return made


def _ready_for(scope: Scope, members: tuple[str, ...]) -> int:
    asked = (
        probes.probes(f"services.{m}", scope.definition(m), scope.said(m).probes) for m in members
    )
    return rollout.ready_for(_deploy(scope, members[0]), is_asked=all(asked))


def _volumes(scope: Scope, members: tuple[str, ...]) -> list[str]:
    found = (v for member in members for v in claims.mounted(scope.definition(member)))
    return list(dict.fromkeys(found))


def _deploy(scope: Scope, service: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = scope.definition(service).get("deploy") or {}
    return found
