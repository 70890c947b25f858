"""What objects of a deployment need that comes in the same deployment. Pure."""

from collections.abc import Collection

import msgspec

from shipit.errors import RemoteError
from shipit.model.deployment import Action
from shipit.targets.kubernetes import definitions, refusals, resources
from shipit.targets.kubernetes.plan import Move
from shipit.targets.kubernetes.refusals import FieldConflictError, UnknownKindError


class Brought(msgspec.Struct, frozen=True):
    """Kinds as `Widget.example.com`, and namespaces. `changed` are kinds that are there otherwise,
    with another schema."""

    kinds: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()

    def changes(self, move: Move) -> bool:
        return resources.group_kind(move.wanted or {}) in self.changed

    def explains(self, move: Move, error: RemoteError | UnknownKindError) -> str:
        """Why what a dry run is told against it is no refusal yet; empty where it is one."""
        one = move.wanted or {}
        kind, space = resources.group_kind(one), str(one["metadata"].get("namespace", ""))
        is_absent = isinstance(error, UnknownKindError) or error.status == 404
        if is_absent and kind in self.kinds | self.changed:
            return "this deployment brings its kind"
        if is_absent and space in self.namespaces:
            return "this deployment brings its namespace"
        if self.changes(move) and not isinstance(error, FieldConflictError):
            return f"this deployment changes its kind ({refusals.in_words(error)})"
        return ""


def brought(moves: Collection[Move]) -> Brought:
    acting = {
        action: [m.wanted for m in moves if m.action is action and m.wanted]
        for action in (Action.CREATE, Action.UPDATE)
    }
    kinds = {
        action: frozenset(definitions.defined(o) for o in found if definitions.is_definition(o))
        for action, found in acting.items()
    }
    spaces = (o for o in acting[Action.CREATE] if resources.group_kind(o) == "Namespace")
    return Brought(
        kinds[Action.CREATE],
        kinds[Action.UPDATE],
        frozenset(str(one["metadata"]["name"]) for one in spaces),
    )
