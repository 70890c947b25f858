"""Who listens while a runbook works. One stream of values; the terminal, CI logs and JSON read it.

Rich is imported only for a terminal.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from msgspec.structs import replace

from shipit.cli.present.outlet import Outlet
from shipit.model import codec
from shipit.model.progress import Outcome, Progress

Listener = Callable[[Progress | Outcome], None]
Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def listener(
    *,
    as_json: bool,
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
    clock: Clock = _now,
) -> Iterator[Listener]:
    """The listener that fits: JSON lines, a live view on a terminal, else plain lines.

    `stream` is where people read (standard error) or, with `as_json`, programs (standard output).
    A reader that goes away never stops the work that is listened to.
    """
    environ = os.environ if environ is None else environ
    stream = stream or (sys.stdout if as_json else sys.stderr)
    with _chosen(as_json, stream, environ, clock) as listen:
        if not _on_github(environ):
            yield listen
            return
        from shipit.cli.present.github import annotated

        # Beside JSON they go to standard error: a runner reads both streams, a program one.
        with annotated(listen, Outlet(sys.stderr if as_json else stream)) as listen_too:
            yield listen_too


@contextmanager
def _chosen(
    as_json: bool, stream: TextIO, environ: Mapping[str, str], clock: Clock
) -> Iterator[Listener]:
    if as_json:
        yield json_lines(Outlet(stream), clock)
    elif is_live(stream, environ):
        from shipit.cli.present.live import live_view

        with live_view(stream, environ) as listen:
            yield listen
    else:
        from shipit.cli.present.lines import PlainLines

        yield PlainLines(Outlet(stream), clock, grouped=_on_github(environ))


def is_live(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """A terminal that can move its cursor, and nobody's CI."""
    in_ci = environ.get("CI", "").lower() not in ("", "0", "false")
    return stream.isatty() and not in_ci and environ.get("TERM") != "dumb"


def json_lines(outlet: Outlet, clock: Clock) -> Listener:
    """One object a line: the event's own JSON form (`event` names it), `at` filled in."""

    def listen(event: Progress | Outcome) -> None:
        if isinstance(event, Progress):
            outlet.write(codec.encode(replace(event, at=event.at or clock())).decode())
        else:
            outlet.write(codec.encode({**codec.plain(event), "at": clock()}).decode())

    return listen


def _on_github(environ: Mapping[str, str]) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"
