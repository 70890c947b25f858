"""How a command line ends badly: the words on stderr, the object on stdout, and the exit code."""

import errno
import os
import select
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import click

from shipit.cli.present.outlet import Outlet
from shipit.errors import ShipitError, UsageError

# The verbs that leave something to take up again.
_RESUMABLE = ("deploy", "promote", "pipeline", "rollback", "resume")
# What this machine, and not shipit, is short of.
_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ENOMEM, errno.EMFILE)


class CutShortError(ShipitError):
    """Ctrl-C, SIGTERM, or the end of input at a question."""

    exit_code = 130


def open_streams() -> None:
    """Whoever started us may have closed a standard stream: then it leads nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def unread() -> int:
    """A broken pipe. Where nobody reads stdout any more (`shipit history | head`) that is no
    failure: what is still buffered goes nowhere. Any other pipe or connection is one."""
    if not _reader_is_gone():
        error = BrokenPipeError(errno.EPIPE, "a connection was closed by its other side")
        return _say(_ours(error, ""), as_json=False)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _reader_is_gone() -> bool:
    """poll(2): POLLERR is set on a pipe's end for writing when the other end has been closed."""
    asked = select.poll()
    asked.register(1, select.POLLOUT)
    return any(answer & (select.POLLERR | select.POLLHUP) for _, answer in asked.poll(0))


def misused(error: click.ClickException, *, as_json: bool) -> int:
    """click's own errors: what was wrong with the words."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        Outlet(sys.stderr).write(error.format_message())
        return error.exit_code
    ctx = getattr(error, "ctx", None)
    hint = _usage(error, ctx) if ctx else ""
    return _say(UsageError(error.format_message(), next_step=hint), as_json=as_json)


def _usage(error: click.ClickException, ctx: click.Context) -> str:
    """`deploy dev` is what fingers write that have just written `promote qa`."""
    options = {p.name for p in ctx.command.params if isinstance(p, click.Option)}
    if "environment" in options and "unexpected extra argument" in error.format_message():
        return f"an environment is named with --env: `{ctx.command_path} --env ENV`"
    return f"`{ctx.command_path} --help` shows how it is used"


def report(error: BaseException, said: Mapping[str, Any]) -> int:
    """`said` holds the command line's verb, `json` and `debug`, as far as it was understood."""
    if said.get("debug"):
        sys.excepthook(type(error), error, error.__traceback__)
    return _say(_ours(error, said.get("verb", "")), as_json=said.get("json", False))


def _ours(error: BaseException, verb: str) -> ShipitError:
    if isinstance(error, ShipitError):
        return error
    if isinstance(error, KeyboardInterrupt | click.Abort):
        way_on = "`shipit resume` finishes what was under way" if verb in _RESUMABLE else ""
        return CutShortError("interrupted", next_step=way_on)
    if isinstance(error, OSError) and error.errno in _EXHAUSTED:
        where = f"{error.filename}: " if error.filename else ""
        return ShipitError(f"{where}{error.strerror}", next_step="make room, and run it again")
    return ShipitError(
        f"{type(error).__name__}: {error}",
        "this is a fault in shipit itself",
        "run it again with --debug and report what it prints",
    )


def _say(error: ShipitError, *, as_json: bool) -> int:
    """Three sentences for people on stderr; for programs, an object as stdout's last line; for
    GitHub's page of the run, an annotation and a line of the summary."""
    labelled = (("error", error.what), ("  why", error.why), ("  now", error.next_step))
    with suppress(OSError):  # a full disk: the other stream may still be heard
        if as_json:
            Outlet(sys.stdout).write(_as_json(error))
    with suppress(OSError):
        outlet = Outlet(sys.stderr)
        for label, text in labelled:
            if text:
                outlet.write(f"{label}: " + text.replace("\n", "\n       "))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from shipit.cli.present.github import tell_end

        with suppress(OSError):
            tell_end(error, Outlet(sys.stderr))
    return error.exit_code


def _as_json(error: ShipitError) -> str:
    from shipit.model import codec

    said = {
        "event": "error",
        "kind": type(error).__name__.removesuffix("Error"),
        "what": error.what,
        "why": error.why,
        "next": error.next_step,
        "exit_code": error.exit_code,
    }
    return codec.encode(said).decode()
