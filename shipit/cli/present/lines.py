"""Progress for logs: a line an event, with the time, in columns that stay where they are."""

from datetime import datetime, timedelta
from typing import Protocol

from shipit.cli.present.github import grouped_logs
from shipit.cli.present.ink import clean
from shipit.cli.present.outlet import Outlet
from shipit.model.progress import (
    Failed,
    Mark,
    Outcome,
    Progress,
    Reason,
    RolledBack,
    Succeeded,
)

# A layer or a service may report many times a second; a log wants to know that it is alive.
_REPEAT = timedelta(seconds=10)
_WORDS = {
    Mark.RUNNING: "started",
    Mark.DONE: "done",
    Mark.FAILED: "failed",
    Mark.SKIPPED: "skipped",
    Mark.INFO: "",
}


class _Clock(Protocol):
    def __call__(self) -> datetime: ...


class PlainLines:
    """`12:03:04 dev      follow   web          healthy`. Logs are indented below their event."""

    def __init__(self, outlet: Outlet, clock: _Clock, *, grouped: bool = False) -> None:
        self._outlet = outlet
        self._clock = clock
        self._grouped = grouped
        self._environment = ""
        self._running: dict[tuple[str, ...], datetime] = {}
        self._shown: set[tuple[str, ...]] = set()
        self._failures: set[tuple[str, str, str]] = set()

    def __call__(self, event: Progress | Outcome) -> None:
        if isinstance(event, Progress):
            self._progress(event, event.at or self._clock())
        else:
            self._outcome(event, self._clock())

    def _progress(self, event: Progress, at: datetime) -> None:
        self._environment = event.environment or self._environment
        subject = place(event.target, event.subject)
        if event.logs and event.mark is Mark.RUNNING and not event.message:
            for line in event.logs:  # as it is written: every line counts, also one seen before
                self._outlet.write(f"         | {clean(line)}")
            return
        if self._worth_a_line(event, at):
            self._line(at, event.environment, event.stage, subject, _sentence(event))
            self._logs(subject or event.stage, event.logs)
        elif event.mark is Mark.FAILED:
            # It was told already, and brings the container's last words with it now.
            self._logs(subject, event.logs, alone=True)

    def _worth_a_line(self, event: Progress, at: datetime) -> bool:
        key = (event.environment, event.stage, event.target, event.subject)
        if event.mark is not Mark.RUNNING:
            self._running.pop(key, None)
            return not self._told(event)
        last = self._running.get(key)
        if last is not None and at - last < _REPEAT and not event.logs:
            return False
        self._running[key] = at
        return True

    def _told(self, event: Progress) -> bool:
        """A failure is told by the target that saw it, and again by the runbook: once is enough."""
        if event.mark is not Mark.FAILED or not event.subject:
            return False
        key = (event.environment, event.subject, event.message)
        told = key in self._failures
        self._failures.add(key)
        return told

    def _outcome(self, outcome: Outcome, at: datetime) -> None:
        self._running.clear()
        word, reasons = _ending(outcome)
        for reason in reasons:
            self._line(at, self._environment, word, reason.subject, reason.what)
            self._logs(reason.subject or word, reason.logs)

    def _line(self, at: datetime, environment: str, stage: str, subject: str, said: str) -> None:
        time = at.astimezone().strftime("%H:%M:%S")
        columns = f"{environment or '-':<8} {stage:<8} {subject or '-':<12}"
        self._outlet.write(f"{time} {columns} {clean(said)}".rstrip())

    def _logs(self, title: str, logs: tuple[str, ...], *, alone: bool = False) -> None:
        """The same lines are shown once: an outcome repeats what a progress event said. `alone`:
        not below the line of their event."""
        if not logs or logs in self._shown:
            return
        self._shown.add(logs)
        if alone and not self._grouped:
            self._outlet.write(f"         last log lines of {title}:")
        shown = [f"         | {clean(line)}" for line in logs]
        for line in grouped_logs(title, shown) if self._grouped else shown:
            self._outlet.write(line)


def place(target: str, subject: str) -> str:
    """A lone target is not worth its name."""
    return "/".join(part for part in (target if target != "default" else "", subject) if part)


def _sentence(event: Progress) -> str:
    said = event.message.replace("\n", "; ")
    if event.mark in (Mark.FAILED, Mark.SKIPPED) and said:
        return f"{_WORDS[event.mark]}: {said}"
    return said or _WORDS[event.mark]


def _ending(outcome: Outcome) -> tuple[str, tuple[Reason, ...]]:
    if isinstance(outcome, Succeeded):
        proven = ", ".join(f"{name} {digest.short}" for name, digest in outcome.proven.items())
        return "proven", (Reason("", proven or "nothing runs all the time"),)
    if isinstance(outcome, Failed | RolledBack):
        return "failed", outcome.reasons or (Reason("", "no reason was given"),)
    return "ended", (Reason("", f"superseded by {outcome.by}"),)
