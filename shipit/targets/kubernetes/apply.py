"""Change the objects: server-side apply, side by side, and what is not wanted any more taken away.

First what objects and pods need, then the workloads. Pruning comes last, and only once everything
that is wanted is there (KEP-3659); nothing is pruned that does not carry our ApplySet's id.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from shipit.errors import PreconditionError, RemoteError, ShipitError
from shipit.model.deployment import Action
from shipit.targets.kubernetes import applyset, counts, definitions, refusals, resources
from shipit.targets.kubernetes.brought import Brought, brought
from shipit.targets.kubernetes.client import FIELD_MANAGER, Cluster
from shipit.targets.kubernetes.lifecycle import STOPPED
from shipit.targets.kubernetes.observe import WORKLOADS
from shipit.targets.kubernetes.plan import Move, is_member
from shipit.targets.kubernetes.refusals import FieldConflictError, UnknownKindError
from shipit.targets.kubernetes.replaced import leaving
from shipit.targets.kubernetes.survey import Seen, Survey, in_parallel

Json = dict[str, Any]

# Pods of the old template may still ask for them: these go after the rollout is proven.
_NEEDED_BY_PODS = frozenset({"ConfigMap", "Secret", "ServiceAccount"})
_FIRST = frozenset({"Namespace", "CustomResourceDefinition"})
_KNOWN = 10.0  # seconds until every API server knows a definition's new schema
_LOOK = 0.3  # seconds between two tries, before jitter


class Answer(msgspec.Struct, frozen=True):
    """What the server made of an object, and what there is to say about it."""

    made: Json
    notes: tuple[str, ...] = ()


class Applied(msgspec.Struct, frozen=True):
    """By key: what the server made of each object, and what it refused, in words."""

    made: dict[str, Json] = {}
    refused: dict[str, str] = {}
    notes: tuple[str, ...] = ()

    def __or__(self, later: "Applied") -> "Applied":
        return Applied(
            self.made | later.made, self.refused | later.refused, (*self.notes, *later.notes)
        )


def apply(
    survey: Survey, seen: Seen, moves: Mapping[str, Move], everything: Iterable[Move]
) -> Applied:
    """`moves` of what changes, among `everything`.

    Raises PreconditionError when the first thing that is refused is also the first thing done.

    Later refusals are in the answer: a failure to be undone, and not a request that was wrong.
    """
    members = [one for one in seen.objects.values() if is_member(one, survey.set_id)]
    wanted = [m.wanted for m in moves.values() if m.wanted]
    claimed = claim(survey, seen.parent, [*members, *wanted])
    keys, coming, done = keys_going(moves.values()), brought(moves.values()), Applied()
    for wave in _waves(moves.values()):
        answers = in_parallel([lambda move=move: _one(survey, move, keys, coming) for move in wave])  # type: ignore[misc]
        step = _answered(wave, answers)
        done |= step | Applied({}, definitions.awaited(survey.cluster, step.made))
        if done.refused:
            if not done.made and not any(move.anew for move in wave):
                _disclaim(survey, seen.parent)
                raise PreconditionError("; ".join(done.refused.values()), "nothing was changed")
            return done
    later = {move.key for move in (*late(moves.values()), *leaving(moves.values()).values())}
    gone = [move for move in going(moves.values()) if move.key not in later]
    done |= _pruned(survey.cluster, gone)
    if done.refused:
        return done
    note = _let_go(survey, claimed, left(everything, done.made, {move.key for move in gone}))
    return done | Applied(notes=(note,) if note else ())


def left(everything: Iterable[Move], made: Mapping[str, Json], gone: set[str]) -> list[Json]:
    """The members that there are then: what is not acted on (a plan may be of some services alone)
    and what goes once the rollout is proven are still there."""
    return [
        move.wanted or move.live or {}
        for move in everything
        if move.key in made or (move.live and move.key not in gone)
    ]


def going(moves: Iterable[Move]) -> list[Move]:
    return [move for move in moves if move.action is Action.REMOVE and move.live]


def keys_going(moves: Iterable[Move]) -> frozenset[str]:
    return frozenset(move.key for move in going(moves))


def late(moves: Iterable[Move]) -> list[Move]:
    """What only pods of the old template need: it goes once the rollout is proven."""
    return [move for move in going(moves) if _needed(move)]


def _pruned(cluster: Cluster, gone: Sequence[Move]) -> Applied:
    """Those very objects; gone already is as good. What may not be taken away goes on running:
    that is no success. Raises RemoteError for what may pass."""
    answers = in_parallel([lambda move=move: _removed(cluster, move) for move in gone])  # type: ignore[misc]
    return Applied(refused=_answered(gone, answers).refused)


def _removed(cluster: Cluster, move: Move) -> Answer | RemoteError:
    one = move.live or {}
    try:
        cluster.remove(one)
    except RemoteError as error:
        return error
    return Answer(one)


def _needed(move: Move) -> bool:
    return bool(move.live) and (move.live or {})["kind"] in _NEEDED_BY_PODS


def _waves(moves: Iterable[Move]) -> list[list[Move]]:
    acting = [m for m in moves if m.action in (Action.CREATE, Action.UPDATE) and m.wanted]
    waves: list[list[Move]] = [[], [], []]
    for move in acting:
        kind = (move.wanted or {})["kind"]
        waves[0 if kind in _FIRST else 2 if kind in WORKLOADS else 1].append(move)
    return [wave for wave in waves if wave]


def _answered(
    wave: Sequence[Move], answers: Sequence[Answer | RemoteError | UnknownKindError]
) -> Applied:
    """Raises RemoteError for what may pass."""
    done = Applied()
    for move, answer in zip(wave, answers, strict=True):
        if isinstance(answer, Answer):
            done |= Applied({move.key: answer.made}, {}, answer.notes)
            continue
        if isinstance(answer, RemoteError) and answer.temporary:
            raise answer
        done |= Applied({}, {move.key: f"{move.title}: {refusals.in_words(answer)}"})
    return done


def _one(
    survey: Survey, move: Move, going: frozenset[str], coming: Brought
) -> Answer | RemoteError | UnknownKindError:
    """A schema that was changed a moment ago may take another one to be known."""
    connection = survey.cluster.connection
    until = connection.clock() + (_KNOWN if coming.changes(move) else 0.0)
    while True:
        answer = _tried(survey, move, going)
        if isinstance(answer, Answer) or connection.clock() >= until:
            return answer
        connection.pause(_LOOK * random.uniform(0.8, 1.2))  # noqa: S311 - jitter


def _tried(
    survey: Survey, move: Move, going: frozenset[str]
) -> Answer | RemoteError | UnknownKindError:
    try:
        if move.anew and move.live:
            survey.cluster.remove(move.live)
        answer = asked(survey, move.wanted or {}, going=going)
        if counts.is_marked(move.live) and not counts.is_stopped(answer.made):
            return msgspec.structs.replace(answer, made=_unmarked(survey.cluster, answer.made))
    except (RemoteError, UnknownKindError) as error:
        return error
    return answer


def _unmarked(cluster: Cluster, one: Json) -> Json:
    """It goes on: what `stop` noted is over."""
    metadata = one["metadata"]
    body = {"metadata": {"annotations": {STOPPED: None}}}
    return cluster.patch(
        one["apiVersion"],
        one["kind"],
        metadata["name"],
        body,
        namespace=metadata.get("namespace", ""),
    )


def asked(
    survey: Survey, wanted: Json, *, dry_run: bool = False, going: frozenset[str] = frozenset()
) -> Answer:
    """Apply, or rehearse it; and notes about what was taken over, or left.

    A field that only shipit itself changed by another verb (`shipit stop`) is taken over, and so
    is the count that an autoscaler left behind; what others own where the settings say so. The
    count of an autoscaler that stays (`going` are the keys of objects that do not), or of Flagger
    or Argo Rollouts where they run the workload's pods in its stead, is not sent
    (FIELD.md, failure mode 34). Raises RemoteError, and UnknownKindError.
    """
    cluster, title = survey.cluster, resources.title(wanted)
    notes: list[str] = []

    def heard(warnings: Sequence[str]) -> None:
        notes.extend(f"{title}: {one}" for one in warnings)

    try:
        made = cluster.apply(wanted, dry_run=dry_run, heard=heard)
        return Answer(made, tuple(notes))
    except FieldConflictError as error:
        mover = counts.mover(cluster, wanted, error.conflicts)
        owned = [c for c in error.conflicts if counts.is_autoscalers(c, mover)]
        others = [c for c in error.conflicts if c.manager != FIELD_MANAGER and c not in owned]
        if others and not survey.force:
            raise
        ours = len(error.conflicts) - len(owned) - len(others)
    notes += [f"{title}: {c.field} is taken over from {c.manager}" for c in others]
    if owned and (mover or counts.is_scaled(cluster, wanted, going)):
        wanted = counts.without(wanted)
        notes.append(f"{title}: {mover or 'an autoscaler'} owns the count, so it stays")
        owned = []
    force = bool(ours or others or owned)
    made = cluster.apply(wanted, dry_run=dry_run, force=force, heard=heard)
    return Answer(made, tuple(notes))


def claim(
    survey: Survey, known: Json | None, members: Iterable[Json], *, kinds: Iterable[str] = ()
) -> Json:
    """The parent names the kinds of the members before there are any, and those that go (KEP);
    `kinds` besides. Raises PreconditionError when the API server does not take it."""
    found = list(members)
    named = {*kinds, *applyset.kinds_of(known), *applyset.kinds(found)}
    spaces = applyset.namespaces_of(known) | applyset.namespaces(found)
    parent = applyset.parent(survey.instance, survey.cluster.namespace, named, spaces)
    if applyset.same(known, parent):
        return parent
    try:
        survey.cluster.apply(parent, force=True)
    except RemoteError as error:
        if error.temporary:
            raise
        raise PreconditionError(
            f"the API server does not take {resources.title(parent)}, shipit's list of its objects",
            error.why or error.what,
            error.next_step,
        ) from error
    return parent


def _disclaim(survey: Survey, known: Json | None) -> None:
    """A parent that was made for what the server then did not take goes again, unless something
    else is there by now. That it may stay is no second trouble: the next deployment takes it up."""
    with suppress(ShipitError):
        if known is None and not any(
            is_member(one, survey.set_id) for one in survey.read().objects.values()
        ):
            survey.cluster.delete("v1", "ConfigMap", survey.instance)


def _let_go(survey: Survey, claimed: Json, members: Sequence[Json]) -> str:
    """Kinds of which there are no members any more: a Role need not have them then. The words of a
    refusal, which is in nobody's way."""
    kinds, spaces = applyset.kinds(members), applyset.namespaces(members)
    parent = applyset.parent(survey.instance, survey.cluster.namespace, kinds, spaces)
    if parent == claimed:
        return ""
    try:
        survey.cluster.apply(parent, force=True)
    except RemoteError as error:
        if error.temporary:
            raise
        words = refusals.in_words(error)
        return f"{resources.title(parent)} still names kinds of which nothing is left: {words}"
    return ""
