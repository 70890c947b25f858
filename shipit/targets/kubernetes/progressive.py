"""Whether something else moves a workload: Flagger's Canaries and Argo's Rollouts that refer to it,
somebody else's included; and what Flagger promoted.

flagger, pkg/canary: Flagger answers a new pod template by an analysis, and copies it to a workload
of its own, `<name>-primary`. What that has already (a way back to what was promoted) is no change
to Flagger, and its Canary does not move. argo-rollouts, RolloutSpec.workloadRef: the template of a
Deployment is run by a Rollout, and the Deployment itself has no pods.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from shipit.errors import RemoteError
from shipit.targets.kubernetes import names, rbac, refusals, resources
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.rbac import Rule
from shipit.targets.kubernetes.standing import Mark, Want, asked_of_pods, is_about, marked

Json = dict[str, Any]
_APPS = "apps/v1"
_TARGETS = ("Deployment", "DaemonSet")
_CANARY = "Canary"


class Mover(msgspec.Struct, frozen=True):
    """What moves workloads, by the objects that say which; `rule` reads them."""

    name: str
    version: str
    kind: str
    rule: Rule


_MOVERS = (
    Mover("Flagger", "flagger.app/v1beta1", _CANARY, rbac.CANARIES),
    Mover("Argo Rollouts", "argoproj.io/v1alpha1", "Rollout", rbac.ROLLOUTS),
)


class Moved(msgspec.Struct, frozen=True):
    """`wants` with what is promoted already; `kinds` are to be watched, too; `notes` are for
    people."""

    wants: tuple[Want, ...]
    kinds: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def look(cluster: Cluster, wants: Sequence[Want]) -> Moved:
    """One request where there is nothing of the kind. Raises RemoteError."""
    marks = [want.mark for want in wants if want.mark.kind in _TARGETS]
    notes: list[str] = []
    moved: dict[str, list[Mark]] = {}
    for mover in installed(cluster) if marks else ():
        try:
            found = cluster.list(mover.version, mover.kind)
        except RemoteError as error:
            if not refusals.is_forbidden(error):
                raise
            notes.append(_unseen(mover))
        else:
            moved[mover.kind] = [m for m in marks if any(is_about(one, m) for one in found)]
    done = {mark.name for mark in moved.get(_CANARY, ()) if _is_promoted(cluster, mark)}
    return Moved(
        tuple(msgspec.structs.replace(w, promoted=w.mark.name in done) for w in wants),
        frozenset(kind for kind, about in moved.items() if about),
        tuple(notes),
    )


def mover_of(cluster: Cluster, one: Json) -> str:
    """The name of what moves the workload; empty for nothing, and for what may not be seen. Raises
    RemoteError."""
    for mover in installed(cluster) if one["kind"] in _TARGETS else ():
        try:
            found = cluster.list(mover.version, mover.kind)
        except RemoteError as error:
            if not refusals.is_forbidden(error):
                raise
            continue
        if any(is_about(other, marked(one)) for other in found):
            return mover.name
    return ""


def installed(cluster: Cluster) -> list[Mover]:
    """Those that the cluster has: discovery is everybody's to read. Raises RemoteError."""
    groups = {str(one["name"]) for one in _asked(cluster, "/apis").get("groups") or ()}
    return [m for m in _MOVERS if m.version.partition("/")[0] in groups and _serves(cluster, m)]


def rules(cluster: Cluster) -> frozenset[Rule]:
    """What it takes to see them. Raises RemoteError."""
    return frozenset(mover.rule for mover in installed(cluster))


def _serves(cluster: Cluster, mover: Mover) -> bool:
    """Other tools are of the same group."""
    answer = _asked(cluster, f"/apis/{mover.version}")
    return resources.discovered(answer, mover.kind) is not None


def _asked(cluster: Cluster, path: str) -> Json:
    try:
        return cluster.raw("GET", path)
    except RemoteError as error:
        if error.status in (403, 404):
            return {}
        raise


def _unseen(mover: Mover) -> str:
    return (
        f"{mover.name} is here, and its {mover.kind} objects may not be listed: what it makes of"
        " this is not seen (`shipit rbac` prints what that needs)"
    )


def _is_promoted(cluster: Cluster, mark: Mark) -> bool:
    """Whether Flagger's own workload has these very pods, but for the names that it gave to what
    they refer to."""
    ours, primary = (
        cluster.list(_APPS, mark.kind, fields=f"metadata.name={name}")
        for name in (mark.name, f"{mark.name}{names.PRIMARY}")
    )
    return bool(ours and primary) and _pods(ours[0]) == _pods(primary[0])


def _pods(one: Json) -> Any:
    return _unnamed(asked_of_pods(one).get("spec"))


def _unnamed(value: Any) -> Any:
    if isinstance(value, str):
        return value.removesuffix(names.PRIMARY)
    if isinstance(value, dict):
        return {key: _unnamed(inner) for key, inner in value.items()}
    return [_unnamed(inner) for inner in value] if isinstance(value, list) else value
