"""How many pods a workload has, where others than the release may say it: an autoscaler, `stop`.

FIELD.md, failure mode 34. A count that a release does not say is nobody's to reset: kubernetes.io,
"Server-Side Apply", Transferring ownership: what we alone own and do not send any more is taken
away, and the server puts 1 in its place. So it is sent as it is, until an autoscaler has set it.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Any

from shipit.errors import RemoteError
from shipit.targets.kubernetes import compare, progressive, resources
from shipit.targets.kubernetes.client import FIELD_MANAGER, Cluster
from shipit.targets.kubernetes.lifecycle import STOPPED
from shipit.targets.kubernetes.refusals import Conflict

Json = dict[str, Any]

AUTOSCALER = "HorizontalPodAutoscaler.autoscaling"
REPLICAS = "spec.replicas"
# Who writes a workload's count for a HorizontalPodAutoscaler.
_MANAGER = "kube-controller-manager"
_COUNTED = frozenset({"Deployment.apps", "StatefulSet.apps", "Rollout.argoproj.io"})
_SCHEDULED = "CronJob.batch"
_OURS = "f:replicas"


def continued(wanted: Json, live: Json) -> Json:
    """`wanted` with the count that it does not say and has to send all the same: the one from
    before `stop`, or the one that is there while it is ours alone. A schedule that was stopped
    goes on. Pure."""
    kind, said = resources.group_kind(wanted), wanted.get("spec") or {}
    if kind == _SCHEDULED and "suspend" not in said and is_stopped(live):
        return {**wanted, "spec": {**said, "suspend": False}}
    if not is_counted(wanted) or "replicas" in said:
        return wanted
    return _counted(wanted, _before(live) if is_stopped(live) else _kept(live))


def is_counted(one: Mapping[str, Any]) -> bool:
    """Whether it is a workload with a count."""
    return resources.group_kind(one) in _COUNTED


def inherited(wanted: Json, former: Json | None) -> Json:
    """The same of a workload that is not there yet, where it comes in the place of `former`."""
    if former is None or not is_counted(wanted) or "replicas" in (wanted.get("spec") or {}):
        return wanted
    there = int((former.get("spec") or {}).get("replicas") or 0)
    return _counted(wanted, _before(former) if is_stopped(former) else there)


def _counted(wanted: Json, count: int) -> Json:
    said = wanted.get("spec") or {}
    return {**wanted, "spec": {**said, "replicas": count}} if count else wanted


def is_marked(live: Mapping[str, Any] | None) -> bool:
    """Whether `stop` has left its note."""
    return STOPPED in (((live or {}).get("metadata") or {}).get("annotations") or {})


def is_stopped(live: Mapping[str, Any]) -> bool:
    """By `stop`: what is at 0 for another reason has no note, or one from before it went on."""
    spec = live.get("spec") or {}
    return is_marked(live) and (spec.get("replicas") == 0 or bool(spec.get("suspend")))


def _before(live: Mapping[str, Any]) -> int:
    noted = str(live["metadata"]["annotations"][STOPPED])
    return max(int(noted), 1) if noted.isdecimal() else 1


def _kept(live: Mapping[str, Any]) -> int:
    """0 for one that the server need not be told. What was at 0 by an older release starts."""
    owned = (compare.owned_fields(live) or {}).get("f:spec") or {}
    owners = [
        entry
        for entry in live["metadata"].get("managedFields") or ()
        if _OURS in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]
    if _OURS not in owned or len(owners) > 1:
        return 0
    return int((live.get("spec") or {}).get("replicas") or 0)


def is_autoscalers(conflict: Conflict, mover: str = "") -> bool:
    """Whether it is of one to whom the count may be left; `mover` as `mover` says."""
    return conflict.field == REPLICAS and (bool(mover) or conflict.manager == _MANAGER)


def mover(cluster: Cluster, one: Json, conflicts: Sequence[Conflict]) -> str:
    """Who runs the workload's pods in its stead, where its count is somebody else's: that is 0
    then, whatever a release says. Empty for nobody. Raises RemoteError."""
    has_other = any(c.field == REPLICAS and c.manager != FIELD_MANAGER for c in conflicts)
    return progressive.mover_of(cluster, one) if has_other else ""


def is_scaled(cluster: Cluster, one: Json, going: Container[str]) -> bool:
    """Whether a HorizontalPodAutoscaler is about it that stays: `going` are the keys of those that
    do not. Yes where they may not be read."""
    namespace = one["metadata"].get("namespace", "")
    try:
        found = cluster.list("autoscaling/v2", "HorizontalPodAutoscaler", namespace=namespace)
    except RemoteError:
        return True
    about = {
        (target["kind"], target["name"])
        for hpa in found
        if resources.key(hpa) not in going
        for target in (hpa["spec"]["scaleTargetRef"],)
    }
    return (one["kind"], one["metadata"]["name"]) in about


def without(one: Json) -> Json:
    return {**one, "spec": {k: v for k, v in one["spec"].items() if k != "replicas"}}
