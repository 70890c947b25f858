"""The plan as the API server's own dry run tells it: defaults, conflicts, refusals.

kubernetes.io, "Kubernetes API Concepts", Dry-run: every stage runs, admission included, but for the
write. So a quota, a policy or a webhook says no here, and not in the middle of a rollout.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.model.deployment import Action
from shipit.targets.kubernetes import apply as applying
from shipit.targets.kubernetes import compare, readable, refusals
from shipit.targets.kubernetes.brought import brought
from shipit.targets.kubernetes.plan import Move
from shipit.targets.kubernetes.refusals import FieldConflictError, UnknownKindError
from shipit.targets.kubernetes.survey import Survey, in_parallel

Json = dict[str, Any]


def rehearse(survey: Survey, moves: Mapping[str, Move]) -> tuple[dict[str, Move], tuple[str, ...]]:
    """The moves with the server's diff, and notes. Raises PreconditionError for what it refuses."""
    acting = [m for m in moves.values() if m.action in (Action.CREATE, Action.UPDATE)]
    asked = [m for m in acting if not m.anew]  # of what is there it could not be
    going, coming = applying.keys_going(moves.values()), brought(moves.values())
    answers = in_parallel([lambda move=move: _ask(survey, move, going) for move in asked])  # type: ignore[misc]
    found = dict(moves)
    notes = [f"{m.title} is made anew: it cannot be changed in place" for m in acting if m.anew]
    wrong: list[tuple[Move, RemoteError | UnknownKindError]] = []
    for move, answer in zip(asked, answers, strict=True):
        if not isinstance(answer, applying.Answer):
            why = coming.explains(move, answer)
            wrong += [] if why else [(move, answer)]
            notes.append(f"{move.title} cannot be rehearsed: {why}")
        else:
            found[move.key] = _told(move, answer.made)
            notes += answer.notes
            notes += _taken_over(move, answer.made)
    if wrong:
        raise _refused(wrong)
    return found, tuple(notes)


def _ask(
    survey: Survey, move: Move, going: frozenset[str]
) -> applying.Answer | RemoteError | UnknownKindError:
    try:
        return applying.asked(survey, move.wanted or {}, dry_run=True, going=going)
    except UnknownKindError as error:
        return error
    except RemoteError as error:
        if error.temporary:
            raise PreconditionError(error.what, error.why, error.next_step) from error
        return error


def _told(move: Move, made: Json) -> Move:
    """With what the server says would be different."""
    if move.live is None:
        return move
    diff = readable.difference(move.live, made)
    if diff or compare.owned_fields(move.live) is None or _labels(made) != _labels(move.live):
        return msgspec.structs.replace(move, diff=diff)
    return msgspec.structs.replace(move, action=Action.KEEP, diff=())


def _labels(one: Json) -> Json:
    found: Json = one["metadata"].get("labels") or {}
    return found


def _taken_over(move: Move, made: Json) -> Iterator[str]:
    """What is there already without being ours: a version that only what exists has."""
    if move.live is None and made["metadata"].get("resourceVersion"):
        yield f"{move.title} is there already: shipit takes it over"


def _refused(wrong: list[tuple[Move, RemoteError | UnknownKindError]]) -> PreconditionError:
    conflicts = [
        f"{move.title}: {conflict}"
        for move, error in wrong
        if isinstance(error, FieldConflictError)
        for conflict in error.conflicts
    ]
    if conflicts:
        return PreconditionError(
            "; ".join(conflicts),
            "whoever owns a field set it to another value, and would lose it",
            "leave the field out of what shipit deploys, or let shipit take such fields over:"
            " force_conflicts: true under the target",
        )
    nowhere = sorted({name for _, e in wrong if (name := refusals.lacking_namespace(e))})
    if nowhere:
        return PreconditionError(
            f"there is no namespace {' and no '.join(nowhere)}",
            next_step=f"`kubectl create namespace {nowhere[0]}`, or name one that is there",
        )
    move, error = wrong[0]
    if isinstance(error, UnknownKindError):
        return error
    said = [f"{m.title}: {refusals.in_words(e)}" for m, e in wrong]
    return PreconditionError(
        f"the API server would not take {move.title}", "; ".join(said), error.next_step
    )
