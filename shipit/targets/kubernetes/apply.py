"""Change the objects: server-side apply, side by side, and what is not wanted any more taken away.

First what pods need, then the workloads. Pruning comes last, and only once everything that is
wanted is there (KEP-3659); nothing is pruned that does not carry our ApplySet's id.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.model.deployment import Action
from shipit.targets.kubernetes import applyset, refusals, resources
from shipit.targets.kubernetes.client import FIELD_MANAGER, Cluster
from shipit.targets.kubernetes.observe import WORKLOADS
from shipit.targets.kubernetes.plan import Move
from shipit.targets.kubernetes.refusals import Conflict, FieldConflictError
from shipit.targets.kubernetes.survey import Seen, Survey, in_parallel

Json = dict[str, Any]

# Who writes a workload's count for a HorizontalPodAutoscaler.
_AUTOSCALER = "kube-controller-manager"
REPLICAS = "spec.replicas"
# Pods of the old template may still ask for them: these go after the rollout is proven.
_NEEDED_BY_PODS = frozenset({"ConfigMap", "Secret", "ServiceAccount"})
_FIRST = frozenset({"Namespace", "CustomResourceDefinition"})


class Applied(msgspec.Struct, frozen=True):
    """By key: what the server made of each object, and what it refused, in words."""

    made: dict[str, Json] = {}
    refused: dict[str, str] = {}
    notes: tuple[str, ...] = ()


def apply(
    survey: Survey, seen: Seen, moves: Mapping[str, Move], everything: Iterable[Move]
) -> Applied:
    """`moves` of what changes, among `everything`.

    Raises PreconditionError when the first thing that is refused is also the first thing done.

    Later refusals are in the answer: a failure to be undone, and not a request that was wrong.
    """
    claimed = _claim(survey, seen.parent, [m.wanted for m in moves.values() if m.wanted])
    made: dict[str, Json] = {}
    refused: dict[str, str] = {}
    notes: list[str] = []
    for wave in _waves(moves.values()):
        for move, outcome in zip(wave, _side_by_side(survey, wave, notes), strict=True):
            if isinstance(outcome, RemoteError):
                if outcome.temporary:
                    raise outcome
                refused[move.key] = f"{move.title}: {refusals.in_words(outcome)}"
            else:
                made[move.key] = outcome
        if refused:
            if not made:
                raise PreconditionError("; ".join(refused.values()), "nothing was changed")
            return Applied(made, refused, tuple(notes))
    prune(survey.cluster, (m.live for m in going(moves.values()) if not _needed(m)))
    _let_go(survey, claimed, [m.wanted or m.live or {} for m in everything if _stays(m)])
    return Applied(made, refused, tuple(notes))


def going(moves: Iterable[Move]) -> list[Move]:
    return [move for move in moves if move.action is Action.REMOVE and move.live]


def late(moves: Iterable[Move]) -> list[Move]:
    """What goes once the rollout is proven."""
    return [move for move in going(moves) if _needed(move)]


def prune(cluster: Cluster, objects: Iterable[Json | None]) -> None:
    """Those very objects; gone already is as good."""
    gone = [one for one in objects if one]
    in_parallel([lambda one=one: cluster.remove(one) for one in gone]) if gone else None  # type: ignore[misc]


def _needed(move: Move) -> bool:
    return bool(move.live) and (move.live or {})["kind"] in _NEEDED_BY_PODS


def _waves(moves: Iterable[Move]) -> list[list[Move]]:
    acting = [m for m in moves if m.action in (Action.CREATE, Action.UPDATE) and m.wanted]
    waves: list[list[Move]] = [[], [], []]
    for move in acting:
        kind = (move.wanted or {})["kind"]
        waves[0 if kind in _FIRST else 2 if kind in WORKLOADS else 1].append(move)
    return [wave for wave in waves if wave]


def _side_by_side(
    survey: Survey, wave: Sequence[Move], notes: list[str]
) -> list[Json | RemoteError]:
    return in_parallel([lambda move=move: _one(survey, move, notes) for move in wave])  # type: ignore[misc]


def _one(survey: Survey, move: Move, notes: list[str]) -> Json | RemoteError:
    try:
        made, told = asked(survey, move.wanted or {})
    except RemoteError as error:
        return error
    notes.extend(told)
    return made


def asked(survey: Survey, wanted: Json, *, dry_run: bool = False) -> tuple[Json, tuple[str, ...]]:
    """Apply, or rehearse it; and notes about what was taken over, or left.

    A field that only shipit itself changed by another verb (`shipit stop`) is taken over, and so
    is the count that an autoscaler left behind; what others own where the settings say so. The
    count of an autoscaler that is there is not sent (FIELD.md, failure mode 34).
    Raises RemoteError.
    """
    cluster, title = survey.cluster, resources.title(wanted)
    try:
        return cluster.apply(wanted, dry_run=dry_run), ()
    except FieldConflictError as error:
        counts = [c for c in error.conflicts if _is_autoscalers(c)]
        others = [c for c in error.conflicts if c.manager != FIELD_MANAGER and c not in counts]
        if others and not survey.force:
            raise
        ours = len(error.conflicts) - len(counts) - len(others)
    notes = [f"{title}: {c.field} is taken over from {c.manager}" for c in others]
    if counts and is_scaled(cluster, wanted):
        wanted = without_count(wanted)
        notes.append(f"{title}: an autoscaler owns the count, so it stays")
        counts = []
    force = bool(ours or others or counts)
    return cluster.apply(wanted, dry_run=dry_run, force=force), tuple(notes)


def is_scaled(cluster: Cluster, one: Json) -> bool:
    """Whether a HorizontalPodAutoscaler is about it; yes where they may not be read."""
    try:
        found = cluster.list(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            namespace=one["metadata"].get("namespace", ""),
        )
    except RemoteError:
        return True
    about = {(t["kind"], t["name"]) for t in (hpa["spec"]["scaleTargetRef"] for hpa in found)}
    return (one["kind"], one["metadata"]["name"]) in about


def _is_autoscalers(conflict: Conflict) -> bool:
    return conflict.field == REPLICAS and conflict.manager == _AUTOSCALER


def without_count(one: Json) -> Json:
    return {**one, "spec": {k: v for k, v in one["spec"].items() if k != "replicas"}}


def _claim(survey: Survey, known: Json | None, wanted: Sequence[Json]) -> Json:
    """The parent names the kinds of the members before there are any, and those that go (KEP)."""
    kinds = applyset.kinds_of(known) | applyset.kinds(wanted)
    spaces = applyset.namespaces_of(known) | applyset.namespaces(wanted)
    parent = applyset.parent(survey.instance, survey.cluster.namespace, kinds, spaces)
    if not applyset.same(known, parent):
        survey.cluster.apply(parent, force=True)
    return parent


def _let_go(survey: Survey, claimed: Json, left: Sequence[Json]) -> None:
    """Kinds of which there are no members any more: a Role need not have them then."""
    kinds, spaces = applyset.kinds(left), applyset.namespaces(left)
    parent = applyset.parent(survey.instance, survey.cluster.namespace, kinds, spaces)
    if parent != claimed:
        survey.cluster.apply(parent, force=True)


def _stays(move: Move) -> bool:
    """For now: what only pods of the old template need is still there."""
    return move.action is not Action.REMOVE or _needed(move)
