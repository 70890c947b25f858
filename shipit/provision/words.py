"""What Pulumi said, as one of our errors."""

import re
from collections.abc import Sequence

from shipit.errors import LeasedError, PreconditionError, ShipitError

_LOCK = re.compile(r"created by (?P<who>\S+) \(pid (?P<pid>\d+)\) at (?P<at>\S+)")
_LINES = 12


def ending(said: str, where: str, cancel: str) -> ShipitError | None:
    """The endings that have a recovery of their own; None for any other. `cancel` is the command
    that takes a lock away."""
    if "currently locked by" in said or "Another update is currently in progress" in said:
        found = _LOCK.search(said)
        owner = f"{found['who']} pid {found['pid']}, since {found['at']}" if found else ""
        return locked(where, owner, cancel)
    if "incorrect passphrase" in said:
        return PreconditionError(
            f"{where} does not open with this passphrase",
            next_step="set PULUMI_CONFIG_PASSPHRASE to the one that the stack was made with",
        )
    return None


def locked(where: str, owner: str, cancel: str) -> LeasedError:
    return LeasedError(
        f"{where} is locked{f' by {owner}' if owner else ''}",
        "an update is under way, or one was killed",
        f"wait for it; if its owner is gone: `{cancel}`, then run this again",
    )


def failed(heard: Sequence[str], said: str) -> str:
    """The engine's own errors, or the last lines of what was printed."""
    lines = [line.strip() for text in heard for line in text.splitlines() if line.strip()]
    if not lines:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "\n".join(dict.fromkeys(lines[-_LINES:]))
