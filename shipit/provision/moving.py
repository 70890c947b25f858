"""A stack's state, moved to the bucket that the stack itself has made.

The copy is whole before the original goes, and which of the two counts is read from what is in
them: killed at any point, the next run takes up whichever is there.
"""

import fcntl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from shipit.errors import LeasedError, PreconditionError, RemoteError
from shipit.model.progress import Mark, Progress, Stage
from shipit.provision.stack import Stack

_SHOWN = 5  # resources that a message names


@contextmanager
def alone(here: Stack) -> Iterator[None]:
    """No other shipit on this machine uses the state that is here, or moves it. However this
    process ends, the kernel lets go. Raises LeasedError."""
    folder = _folder(here)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{here.project}-{here.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LeasedError(
                f"another shipit on this machine works on {here.folder.name}/",
                f"it holds {lock.name}",
                "wait for it, then run this again",
            ) from None
        yield


def current(here: Stack, there: Stack) -> Stack:
    """The one whose state counts: that which knows of everything the other knows of.

    Raises PreconditionError where neither does.
    """
    ours = here.known() if here.is_kept_here else frozenset()
    if not ours:
        return there
    theirs = there.known() if there.exists() else frozenset()
    if not theirs:
        return here
    if ours <= theirs:
        return there
    raise _two_states(here, there, ours - theirs)


def move(here: Stack, there: Stack) -> Generator[Progress, None, Stack]:
    """Returns the one whose state counts now: `here` only while Pulumi is in the middle of
    something there, which an import would forget.

    Raises what `current` does, LeasedError when either is locked, RemoteError when what arrived is
    not what was sent.
    """
    if not here.is_kept_here:
        return there
    if current(here, there) is here:
        if here.pending():
            return here
        with NamedTemporaryFile("w", dir=_folder(here), suffix=".json", encoding="utf-8") as copy:
            copy.write(here.exported())
            copy.flush()
            there.take(Path(copy.name))
        if current(here, there) is here:
            raise RemoteError(
                f"the state of stack {here.name} did not arrive in {there.home.url}",
                "what is there now is not what was sent",
                f"run this again; until then it is in {_folder(here)}",
            )
        said = f"the stack's state is in {there.home.url} from now on"
        yield Progress(Stage.PROVISION, Mark.DONE, "", said)
    here.forget()
    return there


def _folder(here: Stack) -> Path:
    return Path(here.home.store)


def _two_states(
    here: Stack, there: Stack, only_here: frozenset[tuple[str, str]]
) -> PreconditionError:
    named = sorted(f"{name} ({made})" for name, made in only_here)
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    return PreconditionError(
        f"stack {here.name} of {here.folder.name}/ has two states: {there.home.url} and, on this"
        f" machine, {_folder(here)}",
        f"the one in the bucket does not know of {', '.join(named[:_SHOWN])}{more}",
        f"look at what this machine has: `{here.by_hand('stack', 'export')}`; when nothing of it is"
        " needed, delete it in the cloud and then here:"
        f" `{here.by_hand('stack', 'rm', '--yes', '--force', '--preserve-config')}`",
    )
