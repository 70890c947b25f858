"""Whether Flagger moves a workload: its Canaries, somebody else's included, and what it promoted.

flagger, pkg/canary: Flagger answers a new pod template by an analysis, and copies it to a workload
of its own, `<name>-primary`. What that has already (a way back to what was promoted) is no change
to Flagger, and its Canary does not move.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from shipit.errors import RemoteError
from shipit.targets.kubernetes import names, refusals
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.standing import Mark, Want, is_about

Json = dict[str, Any]
GROUP, KIND = "flagger.app", "Canary"
_VERSION = f"{GROUP}/v1beta1"
_APPS = "apps/v1"
_TARGETS = ("Deployment", "DaemonSet")
_UNSEEN = (
    "Flagger is here, and its Canaries may not be listed: what it makes of this is not seen"
    " (`shipit rbac` prints what that needs)"
)


class Flagger(msgspec.Struct, frozen=True):
    """`wants` with what is promoted already; `kinds` are to be watched, too; `note` is for
    people."""

    wants: tuple[Want, ...]
    kinds: frozenset[str] = frozenset()
    note: str = ""


def look(cluster: Cluster, wants: Sequence[Want]) -> Flagger:
    """One request where there is no Flagger. Raises RemoteError."""
    marks = [want.mark for want in wants if want.mark.kind in _TARGETS]
    try:
        found = cluster.list(_VERSION, KIND) if marks and is_there(cluster) else []
    except RemoteError as error:
        if not refusals.is_forbidden(error):
            raise
        return Flagger(tuple(wants), note=_UNSEEN)
    moved = [mark for mark in marks if any(is_about(one, mark) for one in found)]
    if not moved:
        return Flagger(tuple(wants))
    done = {mark.name for mark in moved if _is_promoted(cluster, mark)}
    told = (msgspec.structs.replace(w, promoted=w.mark.name in done) for w in wants)
    return Flagger(tuple(told), frozenset({KIND}))


def is_there(cluster: Cluster) -> bool:
    """Whether Flagger is installed: discovery is everybody's to read. Raises RemoteError."""
    try:
        cluster.raw("GET", f"/apis/{_VERSION}")
    except RemoteError as error:
        if error.status in (403, 404):
            return False
        raise
    return True


def _is_promoted(cluster: Cluster, mark: Mark) -> bool:
    """Whether Flagger's own workload has these very pods, but for the names that it gave to what
    they refer to."""
    ours, primary = (
        cluster.list(_APPS, mark.kind, fields=f"metadata.name={name}")
        for name in (mark.name, f"{mark.name}{names.PRIMARY}")
    )
    return bool(ours and primary) and _pods(ours[0]) == _pods(primary[0])


def _pods(one: Json) -> Any:
    return _unnamed((one["spec"].get("template") or {}).get("spec"))


def _unnamed(value: Any) -> Any:
    if isinstance(value, str):
        return value.removesuffix(names.PRIMARY)
    if isinstance(value, dict):
        return {key: _unnamed(inner) for key, inner in value.items()}
    return [_unnamed(inner) for inner in value] if isinstance(value, list) else value
