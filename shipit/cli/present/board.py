"""What the live view shows, as values: the stages that run, and what is to be written for good.

A stage ends when it says so, or when its target goes on to another one. What has ended is handed
out once, so the part of the screen that is drawn again stays small.
"""

from dataclasses import dataclass, field

from shipit.cli.present.lines import place
from shipit.model.progress import Mark, Progress, Reason, Stage

_ENDED = (Mark.DONE, Mark.FAILED, Mark.SKIPPED)


@dataclass(slots=True)
class Part:
    """A service, task or layer of a stage. Times are seconds of a monotonic clock."""

    mark: Mark
    message: str
    started: float
    ended: float | None = None


@dataclass(slots=True)
class Row:
    """A stage on one target of one environment."""

    environment: str
    stage: Stage
    target: str
    started: float
    ended: float | None = None
    mark: Mark = Mark.RUNNING
    message: str = ""
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return place(self.target, self.stage)

    def summary(self) -> str:
        """The stage in one line: its own message, else what its parts came to."""
        if self.message or not self.parts:
            return self.message
        if failed := self.failed_parts():
            return ", ".join(failed)
        if len(self.parts) > 3:
            return f"{sum(p.mark is Mark.DONE for p in self.parts.values())} of {len(self.parts)}"
        return ", ".join(f"{name} {part.message}".strip() for name, part in self.parts.items())

    def failed_parts(self) -> dict[str, Part]:
        return {name: part for name, part in self.parts.items() if part.mark is Mark.FAILED}


@dataclass(slots=True)
class Heading:
    environment: str


@dataclass(slots=True)
class Note:
    subject: str
    message: str


@dataclass(slots=True)
class LogLines:
    """The last lines of what failed, or (`live`) the lines of what is at work."""

    subject: str
    lines: tuple[str, ...]
    live: bool = False


Record = Heading | Row | Note | LogLines


class Board:
    """The rows under way, and the fold over events that moves them."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, Stage, str], Row] = {}
        self._heading: str | None = None
        self._shown: set[tuple[str, ...]] = set()
        self._failures: set[tuple[str, str, str]] = set()

    @property
    def running(self) -> tuple[Row, ...]:
        return tuple(self._rows.values())

    def take(self, event: Progress, now: float) -> list[Record]:
        """What this event has made final, in the order to write it."""
        said = self._moved_on(event, now)
        if event.environment and event.environment != self._heading:
            self._heading = event.environment
            said.append(Heading(event.environment))
        if event.mark is Mark.INFO:
            said.append(Note(event.subject, event.message))
        else:
            said += self._step(event, now)
        subject = place(event.target, event.subject) or event.stage
        if event.logs and event.mark is Mark.RUNNING:
            return [*said, LogLines(subject, event.logs, live=True)]
        return [*said, *self.logs(subject, event.logs)]

    def logs(self, subject: str, lines: tuple[str, ...]) -> list[LogLines]:
        """The same lines are shown once: an outcome repeats what an event said."""
        if not lines or lines in self._shown:
            return []
        self._shown.add(lines)
        return [LogLines(subject, lines)]

    def reasons(self, reasons: tuple[Reason, ...]) -> list[LogLines]:
        return [block for r in reasons for block in self.logs(r.subject, r.logs)]

    def end(self, mark: Mark, now: float) -> list[Row]:
        """Everything that still ran has ended like this."""
        rows = list(self._rows.values())
        self._rows.clear()
        return [_ended(row, mark, now) for row in rows]

    def _moved_on(self, event: Progress, now: float) -> list[Record]:
        """The rows that this event shows to be over: another stage, on a target of its own."""
        if event.mark is Mark.INFO:
            return []
        over = [
            key
            for key, row in self._rows.items()
            if row.environment != event.environment
            or (row.stage != event.stage and _share(row.target, event.target))
        ]
        return [_ended(self._rows.pop(key), Mark.DONE, now) for key in over]

    def _step(self, event: Progress, now: float) -> list[Record]:
        if self._told(event):
            return []
        key = (event.environment, event.stage, event.target)
        row = self._rows.setdefault(key, Row(*key, started=now))
        if event.subject:
            _update(row, event, now)
            return []
        if event.mark not in _ENDED:
            # The way back is told by where it leads, not by the steps it takes.
            keeps = event.stage is Stage.ROLLBACK and row.message
            row.message = row.message if keeps else event.message or row.message
            return []
        row.message = event.message or row.message
        return [_ended(self._rows.pop(key), event.mark, now)]

    def _told(self, event: Progress) -> bool:
        """A failure is told by the target that saw it, and again by the runbook: once is enough."""
        if event.mark is not Mark.FAILED or not event.subject:
            return False
        key = (event.environment, event.subject, event.message)
        told = key in self._failures
        self._failures.add(key)
        return told


def _share(one: str, other: str) -> bool:
    return one == other or not one or not other


def _update(row: Row, event: Progress, now: float) -> None:
    part = row.parts.setdefault(event.subject, Part(event.mark, "", now))
    part.mark, part.message = event.mark, event.message or part.message
    part.ended = now if event.mark in _ENDED else None


def _ended(row: Row, mark: Mark, now: float) -> Row:
    row.ended = now
    row.mark = Mark.FAILED if row.failed_parts() else mark
    return row
