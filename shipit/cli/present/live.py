"""Progress on a terminal: what runs is drawn again and again below what has ended, which stays.

The only module that imports Rich. Only the stages under way are redrawn, eight times a second, so
that the view neither flickers nor outgrows the screen, and leaves a clean record behind.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from shipit.cli.present.board import Board, Heading, LogLines, Note, Record, Row
from shipit.cli.present.ink import Ink, clean, speaks_unicode
from shipit.model.duration import format_duration
from shipit.model.progress import (
    Failed,
    Mark,
    Outcome,
    Progress,
    Reason,
    RolledBack,
    Succeeded,
    Superseded,
)

_STYLES = {
    Mark.DONE: "green",
    Mark.FAILED: "red",
    Mark.RUNNING: "cyan",
    Mark.SKIPPED: "dim",
    Mark.INFO: "dim",
}
_WIDEST = 100  # a time at the far right of a wide screen has lost its line
_NAME_COLUMNS = 10
_WORTH_A_TIME = 0.1  # seconds


@contextmanager
def live_view(
    stream: TextIO, environ: Mapping[str, str]
) -> Iterator[Callable[[Progress | Outcome], None]]:
    """A listener that draws. Leaving it by an exception shows what ran as stopped."""
    console = Console(
        file=stream,
        force_terminal=True,
        no_color=bool(environ.get("NO_COLOR")),
        highlight=False,
        markup=False,
        emoji=False,
        _environ=environ,
    )
    view = _View(console, Ink(unicode=speaks_unicode(stream)), time.monotonic)
    live = Live(
        view,
        console=console,
        refresh_per_second=8,
        redirect_stdout=False,  # standard output is data, and may be a pipe
        vertical_overflow="ellipsis",
    )
    with live:
        try:
            yield view.take
        except BaseException:
            view.end(Mark.FAILED)
            raise
        view.end(Mark.DONE)


class _View:
    """Draws a board. Rich's refresh thread reads it while the runbook's thread writes.

    Nothing is printed under the lock: printing waits for Rich's own lock, and the refresh thread
    has that one while it waits for ours.
    """

    def __init__(self, console: Console, ink: Ink, clock: Callable[[], float]) -> None:
        self._console = console
        self._ink = ink
        self._clock = clock
        self._board = Board()
        self._lock = threading.Lock()
        self._spinner = Spinner("dots" if ink.unicode else "line", style="cyan")

    def take(self, event: Progress | Outcome) -> None:
        with self._lock:
            lines = list(self._taken(event))
        self._print(lines)

    def end(self, mark: Mark) -> None:
        with self._lock:
            lines = list(self._records(self._board.end(mark, self._clock())))
        self._print(lines)

    def __rich__(self) -> RenderableType:
        with self._lock:
            return Group(*(self._running(row) for row in self._board.running))

    def _taken(self, event: Progress | Outcome) -> Iterator[RenderableType]:
        """What is written for good: above what is redrawn."""
        if isinstance(event, Progress):
            yield from self._records(self._board.take(event, self._clock()))
        else:
            yield from self._outcome(event)

    def _outcome(self, outcome: Outcome) -> Iterator[RenderableType]:
        ended = Mark.DONE if isinstance(outcome, Succeeded | RolledBack) else Mark.FAILED
        yield from self._records(self._board.end(ended, self._clock()))
        if isinstance(outcome, Succeeded):
            proven = ", ".join(f"{name} {d.short}" for name, d in outcome.proven.items())
            yield self._line(Mark.DONE, "proven", proven)
        elif isinstance(outcome, Superseded):
            yield self._line(Mark.FAILED, "superseded", f"by {outcome.by}")
        else:
            yield from self._failure(outcome)

    def _failure(self, outcome: Failed | RolledBack) -> Iterator[RenderableType]:
        word = "failed" if isinstance(outcome, Failed) else "went back"
        for reason in outcome.reasons or (Reason("", "no reason was given"),):
            yield self._line(Mark.FAILED, word, str(reason))
        yield from self._records(self._board.reasons(outcome.reasons))

    def _records(self, records: Iterable[Record]) -> Iterator[RenderableType]:
        for record in records:
            yield from self._record(record)

    def _record(self, record: Record) -> Iterator[RenderableType]:
        if isinstance(record, Heading):
            yield Text(record.environment, style="bold")
        elif isinstance(record, Note):
            yield self._line(Mark.INFO, record.subject, record.message)
        elif isinstance(record, LogLines):
            yield self._logs(record)
        else:
            yield self._line(record.mark, record.name, record.summary(), _elapsed(record))
            for name, part in record.failed_parts().items():
                yield Padding(self._line(part.mark, name, part.message), (0, 0, 0, 2))

    def _running(self, row: Row) -> RenderableType:
        now = self._clock()
        grid = self._grid()
        grid.add_row(
            self._spinner, Text(row.name), Text(clean(row.message)), _time(now - row.started)
        )
        for name, part in row.parts.items():
            taken = _time((part.ended or now) - part.started)
            message = Text(clean(part.message), style="dim", no_wrap=True, overflow="ellipsis")
            grid.add_row(self._mark(part.mark), Text(f"  {name}"), message, taken)
        return grid

    def _line(
        self, mark: Mark, name: str, message: str, elapsed: float | None = None
    ) -> RenderableType:
        grid = self._grid()
        grid.add_row(self._mark(mark), Text(name), Text(self._say(message)), _time(elapsed))
        return grid

    def _logs(self, block: LogLines) -> RenderableType:
        bar = "│ " if self._ink.unicode else "| "
        lines = Text(style="dim")
        title = () if block.live else (f"last log lines of {block.subject}",)
        for line in (*title, *block.lines):
            lines.append(bar + self._say(line) + "\n")
        lines.right_crop(1)
        return Padding(lines, (0, 0, 0, 4))

    def _grid(self) -> Table:
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.width = min(self._console.width, _WIDEST)
        grid.add_column(width=1)
        grid.add_column(min_width=_NAME_COLUMNS, no_wrap=True, overflow="ellipsis")
        grid.add_column(ratio=1, overflow="fold")
        grid.add_column(justify="right", style="dim", no_wrap=True)
        return grid

    def _mark(self, mark: Mark) -> Text:
        return Text(self._ink.mark(mark), style=_STYLES[mark])

    def _say(self, text: str) -> str:
        return self._ink.say(clean(text))

    def _print(self, renderables: Iterable[RenderableType]) -> None:
        for renderable in renderables:
            self._console.print(renderable)


def _elapsed(row: Row) -> float | None:
    return None if row.ended is None else row.ended - row.started


def _time(seconds: float | None) -> str:
    if seconds is None or seconds < _WORTH_A_TIME:
        return ""
    return format_duration(timedelta(seconds=seconds))
