"""What provisioning would change, and what it made."""

from datetime import datetime
from typing import Any

import msgspec


class StackChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """One resource. `action` is create, update, replace, delete, read or import; `keys` are the
    properties that differ."""

    action: str
    type: str
    name: str
    keys: tuple[str, ...] = ()
    protected: bool = False


class StackPlan(msgspec.Struct, frozen=True, omit_defaults=True, tag="result", tag_field="event"):
    """A preview. `same` is how many resources stay as they are."""

    project: str
    stack: str
    changes: tuple[StackChange, ...]
    same: int = 0

    def count(self, action: str) -> int:
        return sum(change.action == action for change in self.changes)


class Provisioned(msgspec.Struct, frozen=True, omit_defaults=True, tag="result", tag_field="event"):
    """What `shipit provision` and `destroy` did: how many resources were created, updated and so
    on. `outputs` are those that are no secret."""

    project: str
    stack: str
    changes: dict[str, int]
    outputs: dict[str, Any] = {}


class StackRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stack as it was last provisioned: its outputs, without secrets."""

    outputs: dict[str, Any]
    at: datetime
    by: str
