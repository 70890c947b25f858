"""What would be made at a registry, in words that do not depend on whose it is."""

from enum import StrEnum
from typing import Protocol

import msgspec

# Moved as environments move on, and as referrers come: what stays as it is are all other tags.
RETENTION_TAGS = "shipit-"  # what an environment holds
REFERRER_TAGS = "sha256-"  # cosign's, and the referrers tag schema (distribution-spec 1.1)


class Action(StrEnum):
    CREATE = "create"
    COMPLETE = "complete"  # shipit made it, and was stopped before it was done
    KEEP = "keep"
    AT_PUSH = "at push"  # the registry makes it itself
    BY_HAND = "by hand"


class Change(msgspec.Struct, frozen=True):
    """One repository, as images are named in it. `settings` are those that it would be given;
    `note` is what a person should know, and for `keep` where it is not as shipit would make it."""

    repository: str
    action: Action
    settings: tuple[str, ...] = ()
    note: str = ""

    @property
    def changes(self) -> bool:
        return self.action in (Action.CREATE, Action.COMPLETE)


class Wishes(msgspec.Struct, frozen=True):
    """`keys` are KMS keys, AWS's or Google's; `expire_untagged` is in days, 0 for never."""

    app: str
    keys: tuple[str, ...] = ()
    expire_untagged: int = 0


class Kind(Protocol):
    """Registries of one cloud. All raise PreconditionError where the SDK, the credentials or the
    permission is missing, and RemoteError for what the cloud answers otherwise."""

    def home(self, repository: str) -> str:
        """The repository that has to be there for images of this name: itself, or the one above."""

    def plan(self, repository: str, wishes: Wishes) -> Change:
        """For what `home` has named. Asks, and changes nothing."""

    def apply(self, change: Change, wishes: Wishes) -> None:
        """Make it as planned. That it is there by now is a success."""


def days(count: int) -> str:
    return f"{count} day{'' if count == 1 else 's'}"
