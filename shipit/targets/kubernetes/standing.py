"""How the rollout of one workload stands, from what the API server last said. Pure.

kubernetes.io, "Deployments", Deployment status; kubectl, polymorphichelpers/rollout_status.go. And
more than these ask (FIELD.md, failure mode 15): the new ReplicaSet's pods are looked at one by one,
no pod of another template may be left, and every kubelet has to report the digest.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from shipit.model import codec
from shipit.model.digest import Digest
from shipit.targets.kubernetes import pods as podding
from shipit.targets.kubernetes.client import FIELD_MANAGER
from shipit.targets.kubernetes.pods import Pod, ReplicaSet

Json = dict[str, Any]
_NO_NODE = "flagger.app/scale-to-zero"


class End(StrEnum):
    """BACK: the platform itself went back to what ran before."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    BACK = "back"
    SUPERSEDED = "superseded"


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """A workload as it was once it was applied: what later looks are held against. `template` is
    the hash of the pods' template, `at` the server's time of the change; `kept`: the template is
    the one that was there before."""

    kind: str
    name: str
    uid: str
    generation: int
    template: str
    at: str = ""
    kept: bool = False


class Want(msgspec.Struct, frozen=True):
    """A service of a rollout. `head` is the service whose workload it is in, mostly itself;
    `identities` by container the digests that prove it; `digest` is what is proven then; `settle`:
    seconds for which it has to stay so, where nothing else looks whether it stays up; `promoted`:
    Flagger's own workload has these pods already; `leaving`: the kind of the workload that goes
    once this one is proven, whose pods are not looked at."""

    service: str
    head: str
    mark: Mark
    identities: dict[str, frozenset[Digest]]
    digest: Digest | None
    exercised: bool = True
    settle: float = 0.0
    promoted: bool = False
    leaving: str = ""


class Look(msgspec.Struct, frozen=True):
    """What is known of the workload: itself, its ReplicaSets, its pods that are not on their way
    out, Flagger's Canary of it, and the Rollout that runs its template in its stead."""

    live: Json | None
    sets: Sequence[ReplicaSet] = ()
    pods: Sequence[Pod] = ()
    canary: Json | None = None
    rollout: Json | None = None


class Standing(msgspec.Struct, frozen=True):
    """`pods` are those that it is about: of the new template, where they are known."""

    end: End
    words: str
    pods: tuple[Pod, ...] = ()


def marked(one: Json, at: str = "", before: Json | None = None) -> Mark:
    """`before`: as it was until it was applied."""
    metadata = one["metadata"]
    return Mark(
        kind=str(one["kind"]),
        name=str(metadata["name"]),
        uid=str(metadata.get("uid") or ""),
        generation=_generation(one),
        template=template_of(one),
        at=at,
        kept=before is not None and template_of(before) == template_of(one),
    )


def stand(want: Want, look: Look) -> Standing:
    live, mark = look.live, want.mark
    by = superseded(mark, live)
    if by or live is None:
        return Standing(End.SUPERSEDED, f"{mark.kind} {mark.name} was {by}")
    if _generation(live) < mark.generation:
        return Standing(End.WAITING, "the change is not to be seen yet")
    if live["spec"].get("paused"):
        return Standing(End.WAITING, "it is paused: `kubectl rollout resume` lets it go on")
    if observed_generation(live) < _generation(live):  # its status is of what was before
        return Standing(End.WAITING, "its controller has not seen it yet")
    new = new_pods(live, look)
    said = _said(want, live, look)
    if said.end is not End.DONE:
        return msgspec.structs.replace(said, pods=new)
    return _proven(want, live, look, new)


def _said(want: Want, live: Json, look: Look) -> Standing:
    """By whatever moves it."""
    if look.canary is not None:
        return canary(look.canary, want)
    if look.rollout is not None:
        return _in_its_stead(look.rollout, live)
    return _KINDS[want.mark.kind](live)


def superseded(mark: Mark, live: Json | None) -> str:
    """What somebody else did to the workload; empty when it is still what we made of it.

    A count is not in the pods' template: an autoscaler, or `kubectl scale`, is not in the way.
    """
    if live is None:
        return "deleted by somebody else"
    if live["metadata"].get("uid") != mark.uid:
        return "deleted and made again by somebody else"
    if _generation(live) > mark.generation and template_of(live) != mark.template:
        return f"changed by {_last_manager(live)}"
    return ""


def _generation(one: Json) -> int:
    return int(one["metadata"].get("generation") or 0)


def template_of(one: Mapping[str, Any]) -> str:
    """Its hash."""
    return str(Digest.of(codec.canonical(asked_of_pods(one))))


def asked_of_pods(one: Mapping[str, Any]) -> Json:
    """The pods' template, without that by which Flagger leaves a DaemonSet no node while its own
    runs (flagger, pkg/canary/daemonset_controller.go, ScaleToZero)."""
    template = (one.get("spec") or {}).get("template") or {}
    spec = template.get("spec") or {}
    if _NO_NODE not in (spec.get("nodeSelector") or {}):
        return dict(template)
    nodes = {key: value for key, value in spec["nodeSelector"].items() if key != _NO_NODE}
    others = {key: value for key, value in spec.items() if key != "nodeSelector"}
    return {**template, "spec": {**others, **({"nodeSelector": nodes} if nodes else {})}}


def observed_generation(live: Mapping[str, Any]) -> int:
    """Which generation its controller has seen. Argo Rollouts writes it as text."""
    said = str((live.get("status") or {}).get("observedGeneration") or "0")
    return int(said) if said.isdecimal() else 0


def _last_manager(live: Json) -> str:
    """Of those who own something of the spec, the one that wrote last; times are whole seconds, so
    somebody else before shipit."""
    entries = [
        e
        for e in live["metadata"].get("managedFields") or ()
        if not e.get("subresource") and "f:spec" in (e.get("fieldsV1") or {})
    ]
    newest: Json = max(entries, key=_written, default={})
    return str(newest.get("manager") or "somebody else")


def _written(entry: Mapping[str, Any]) -> tuple[str, bool]:
    return str(entry.get("time") or ""), entry.get("manager") != FIELD_MANAGER


def new_pods(live: Json, look: Look) -> tuple[Pod, ...]:
    """Those of the template that is current. Flagger promotes to pods of its own: all are new."""
    if look.canary is not None:
        return tuple(look.pods)
    runs = live if look.rollout is None else look.rollout
    mark = _current_hash(runs, look)
    label = _HASHES[runs["kind"]]
    return tuple(p for p in look.pods if mark and p.metadata.labels.get(label) == mark)


_HASHES = {
    "Deployment": podding.HASH,
    "StatefulSet": podding.REVISION,
    "DaemonSet": podding.REVISION,
    "Rollout": podding.ARGO_HASH,
}


def _current_hash(live: Json, look: Look) -> str:
    status = live.get("status") or {}
    if live["kind"] == "StatefulSet":
        return str(status.get("updateRevision") or "")
    if live["kind"] == "DaemonSet":
        return _newest_revision(status, look.pods)
    if live["kind"] == "Rollout":
        return str(status.get("currentPodHash") or "")
    revision = (live["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
    own = str(live["metadata"].get("uid"))
    for one in look.sets:
        if one.revision == revision and any(o.uid == own for o in one.metadata.owner_references):
            return one.metadata.labels.get(podding.HASH, "")
    return ""


def _newest_revision(status: Mapping[str, Any], pods: Sequence[Pod]) -> str:
    """A DaemonSet does not name its revision: its newest pod's is, once one was updated."""
    made = [p for p in pods if p.metadata.creation_timestamp]
    if not made or not status.get("updatedNumberScheduled"):
        return ""
    newest = max(made, key=lambda p: str(p.metadata.creation_timestamp))
    return newest.metadata.labels.get(podding.REVISION, "")


def _deployment(live: Json) -> Standing:
    status = live.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("status") == "False":
            return Standing(End.FAILED, _sentence(condition))
    asked = _count(live["spec"].get("replicas"), 1)
    total, updated, available = (
        _count(status.get(key)) for key in ("replicas", "updatedReplicas", "availableReplicas")
    )
    if updated < asked:
        return Standing(End.WAITING, f"{updated} of {asked} updated{_refusal(status)}")
    if total > updated:
        return Standing(End.WAITING, f"{total - updated} old to go")
    if available < updated:
        return Standing(End.WAITING, f"{available} of {asked} available")
    return Standing(End.DONE, "")


def _stateful_set(live: Json) -> Standing:
    status = live.get("status") or {}
    asked = _count(live["spec"].get("replicas"), 1)
    updated, ready = (_count(status.get(k)) for k in ("updatedReplicas", "readyReplicas"))
    if status.get("updateRevision") == status.get("currentRevision"):
        updated = _count(status.get("currentReplicas"))
    if updated < asked:
        return Standing(End.WAITING, f"{updated} of {asked} updated")
    available = _count(status.get("availableReplicas", ready))
    if min(ready, available) < asked:
        return Standing(End.WAITING, f"{min(ready, available)} of {asked} available")
    if _count(status.get("replicas")) > asked:
        return Standing(End.WAITING, f"{_count(status.get('replicas')) - asked} too many to go")
    return Standing(End.DONE, "")


def _daemon_set(live: Json) -> Standing:
    status = live.get("status") or {}
    asked, updated, available = (
        _count(status.get(key))
        for key in ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    )
    if not asked:
        return Standing(End.FAILED, "no node of the cluster takes it: nothing was exercised")
    if updated < asked:
        return Standing(End.WAITING, f"{updated} of {asked} nodes updated")
    if available < asked:
        return Standing(End.WAITING, f"{available} of {asked} nodes available")
    return Standing(End.DONE, "")


def _argo_rollout(live: Json) -> Standing:
    """argo-rollouts, pkg/apis/rollouts/v1alpha1, RolloutStatus: its phase is the truth."""
    status = live.get("status") or {}
    phase, message = str(status.get("phase") or ""), str(status.get("message") or "")
    words = ": ".join(part for part in (phase or "not seen by Argo Rollouts yet", message) if part)
    if status.get("abort") or (phase == "Degraded" and "abort" in message.lower()):
        return Standing(End.BACK, f"Argo Rollouts went back: {message or 'it was aborted'}")
    if phase == "Degraded":
        return Standing(End.FAILED, words)
    stable, current = status.get("stableRS"), status.get("currentPodHash")
    if phase == "Healthy" and current and stable == current:
        return Standing(End.DONE, "")
    return Standing(End.WAITING, words)


def _in_its_stead(rollout: Json, live: Json) -> Standing:
    """argo-rollouts, RolloutStatus.workloadObservedGeneration: what it has seen of the Deployment
    whose template it runs."""
    seen = str((rollout.get("status") or {}).get("workloadObservedGeneration") or "")
    if seen != str(_generation(live)) or observed_generation(rollout) < _generation(rollout):
        return Standing(End.WAITING, "Argo Rollouts has not seen it yet")
    return _argo_rollout(rollout)


def target_of(mover: Json) -> Json:
    """What a Canary (flagger, CanarySpec.TargetRef) or a Rollout (argo-rollouts,
    RolloutSpec.WorkloadRef) moves; empty for a Rollout by itself."""
    spec = mover.get("spec") or {}
    return spec.get("targetRef") or spec.get("workloadRef") or {}


def is_about(mover: Json, mark: Mark) -> bool:
    target = target_of(mover)
    return (target.get("kind"), target.get("name")) == (mark.kind, mark.name)


def canary(found: Json, want: Want) -> Standing:
    """flagger, pkg/apis/flagger/v1beta1, CanaryStatus: its phase is the truth, once it moved.

    It moves when the pods' template is another one than it promoted last, and never otherwise.
    """
    status, mark = found.get("status") or {}, want.mark
    phase = str(status.get("phase") or "")
    moved = str(status.get("lastTransitionTime") or "")
    weight = f", {status['canaryWeight']} % of the traffic" if status.get("canaryWeight") else ""
    if want.promoted and phase in ("Succeeded", "Initialized", "Failed"):
        return Standing(End.DONE, "")
    if moved < mark.at and not mark.kept:
        is_suspended = (found.get("spec") or {}).get("suspend")
        why = ": its Canary is suspended" if is_suspended else ""
        return Standing(End.WAITING, f"Flagger has not seen it yet{why}")
    if phase == "Failed":
        return Standing(End.BACK, "Flagger went back: the canary's analysis failed")
    if phase in ("Succeeded", "Initialized"):
        return Standing(End.DONE, "")
    return Standing(End.WAITING, f"Flagger: {phase or 'not seen yet'}{weight}")


_KINDS = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
    "Rollout": _argo_rollout,
}


def _proven(want: Want, live: Json, look: Look, new: tuple[Pod, ...]) -> Standing:
    """The controller's word is not enough: the kubelets' is what proves it."""
    asked = _asked(live, look)
    if not asked:
        if want.exercised:
            return Standing(End.FAILED, "it was scaled to 0: nothing was exercised", new)
        return Standing(End.DONE, "0 replicas: not exercised")
    old = [p for p in look.pods if p not in new]
    if old:
        return Standing(End.WAITING, f"{len(old)} old to go", new)
    ready = [p for p in new if p.is_ready]
    if len(ready) < asked:
        return Standing(End.WAITING, f"{len(ready)} of {asked} pods are seen to be ready", new)
    for pod in ready:
        wrong, words = podding.unproven(pod, want.identities)
        if words:
            return Standing(End.FAILED if wrong else End.WAITING, words, (pod,))
    shown = want.digest.short if want.digest else "what was asked for"
    return Standing(End.DONE, f"runs {shown}" + (f" ({asked}x)" if asked > 1 else ""), new)


def _asked(live: Json, look: Look) -> int:
    if look.canary is not None:
        return max(len(look.pods), 1)
    if live["kind"] == "DaemonSet":
        return _count((live.get("status") or {}).get("desiredNumberScheduled"))
    live = live if look.rollout is None else look.rollout
    return _count(live["spec"].get("replicas"), 1)


def _count(value: Any, otherwise: int = 0) -> int:
    return otherwise if value is None else int(value)


def _refusal(status: Mapping[str, Any]) -> str:
    """Why pods cannot be made at all: a quota, an admission webhook."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return f": {condition.get('message') or condition.get('reason')}"
    return ""


def _sentence(condition: Mapping[str, Any]) -> str:
    said = str(condition.get("message") or "")
    if condition.get("reason") == "ProgressDeadlineExceeded":
        return f"Kubernetes gave it up: {said or 'its progress deadline is over'}"
    return said or str(condition.get("reason") or "it does not progress")
