"""The tree of exceptions. Whatever shipit raises on purpose is one of these.

    ShipitError                      exit 1   what happened, why, what to do now
    ├── UsageError                   exit 2   the request cannot be carried out; nothing has changed
    │   ├── ConfigurationError                a user's file is wrong: file, line, column, path in it
    │   ├── UnknownNameError                  no such environment, service or release; or too many
    │   └── PreconditionError                 not ready: no engine, a taken port
    │       └── NoBucketError                 nor is the bucket there that is to keep the record
    ├── HeldError                    exit 3   a gate holds the release
    ├── RolledBackError              exit 4   not proven; the environment is back on what it had
    ├── SupersededError              exit 5   another deployment went past ours
    ├── LeasedError                  exit 6   somebody else is working on the environment
    ├── DeploymentFailedError        exit 1   not proven, and there was nothing to go back to
    ├── RemoteError                  exit 1   a registry, engine or store answered with an error
    ├── StaleTokenError              exit 5   a commit by a deployment whose lease was taken over
    └── StoreError                   exit 1   the ledger's store cannot do what the ledger needs

Foreign exceptions are mapped to these at the boundary where they appear; the command line has one
catcher, which prints the three sentences and turns the class into the exit code.
"""

from collections.abc import Iterable, Sequence


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean host?`, to end a sentence with; nothing when no known name is near."""
    from difflib import get_close_matches

    names = list(known)[:200]  # the comparison is slow, and a longer list is no typing mistake's
    word = name.lower()[:80]
    begun = [known for known in names if len(word) > 1 and known.startswith(word)]
    near = begun if len(begun) == 1 else get_close_matches(word, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


class ShipitError(Exception):
    """What happened, why, and what to do now: a sentence each; the last two may be empty."""

    exit_code = 1

    def __init__(self, what: str, why: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_step = next_step

    def __str__(self) -> str:
        return "\n".join(part for part in (self.what, self.why, self.next_step) if part)


class UsageError(ShipitError):
    exit_code = 2


class ConfigurationError(UsageError):
    """A user's file is wrong at one place.

    `file` as the user named it; `line` and `column` count from 1, 0 where they are not known;
    `path` is the place within the document (`environments.qa.target`).
    """

    def __init__(
        self,
        what: str,
        *,
        file: str = "",
        line: int = 0,
        column: int = 0,
        path: str = "",
        why: str = "",
        next_step: str = "",
    ) -> None:
        place = ":".join([file, *(str(n) for n in (line, column) if n)]) if file else ""
        super().__init__(": ".join(p for p in (place, path, what) if p), why, next_step)
        self.file, self.line, self.column, self.path = file, line, column, path


class UnknownNameError(UsageError):
    """A name that stands for nothing, or for more than one thing."""


class PreconditionError(UsageError):
    """Found before anything was changed: the world is not as the work needs it."""


class NoBucketError(PreconditionError):
    """The ledger is to be in a bucket that does not exist (yet)."""


class HeldError(ShipitError):
    exit_code = 3


class RolledBackError(ShipitError):
    exit_code = 4


class SupersededError(ShipitError):
    exit_code = 5


class LeasedError(ShipitError):
    exit_code = 6


class DeploymentFailedError(ShipitError):
    pass


class StaleTokenError(SupersededError):
    pass


class StoreError(ShipitError):
    pass


class RemoteError(ShipitError):
    """An answer from outside that is an error.

    `request` is the method and address without credentials; `status` the HTTP status, 0 when there
    was no answer; `reasons` the structured causes; `temporary` whether trying again may help. The
    one retry policy asks `temporary`, and waits `retry_after` seconds where the other side named
    it.
    """

    def __init__(
        self,
        what: str,
        why: str = "",
        next_step: str = "",
        *,
        request: str = "",
        status: int = 0,
        reasons: Sequence[str] = (),
        body: bytes = b"",
        temporary: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(what, why, next_step)
        self.retry_after = retry_after
        self.request = request
        self.status = status
        self.reasons = tuple(reasons)
        self.body = body
        self.temporary = temporary
