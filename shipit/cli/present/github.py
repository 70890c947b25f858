"""GitHub Actions: annotations, groups and the job summary.

Source: GitHub Docs, "Workflow commands for GitHub Actions", and actions/toolkit,
packages/core/src/command.ts for the escaping.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shipit.cli.present.ink import clean
from shipit.cli.present.matrix import Cell, Column, Matrix
from shipit.cli.present.outlet import Outlet
from shipit.errors import HeldError, ShipitError
from shipit.model.progress import Failed, Mark, Outcome, Progress, Reason, RolledBack

Event = Progress | Outcome
_SHOWN_LOGS = 5


def annotation(level: str, title: str, message: str) -> str:
    """The workflow command that pins an `error` or a `notice` to the run's page."""
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


@contextmanager
def annotated(listen: Callable[[Event], None], outlet: Outlet) -> Iterator[Callable[[Event], None]]:
    """The listener, and an annotation for every failure that it hears of."""
    shown: set[str] = set()
    environment = ""

    def both(event: Event) -> None:
        nonlocal environment
        listen(event)
        if isinstance(event, Progress):
            environment = event.environment or environment
        for reason in _failures(event):
            title = f"shipit {environment}".strip()
            if reason.subject:
                title = f"{title}: {reason.subject}"
            if (key := f"{title} {reason.what}") not in shown:
                shown.add(key)
                said = [reason.what, *reason.logs[-_SHOWN_LOGS:]]
                lines = "\n".join(clean(line) for line in said)
                outlet.write(annotation("error", title, lines))

    yield both


def _failures(event: Event) -> tuple[Reason, ...]:
    if isinstance(event, Failed | RolledBack):
        return event.reasons
    if isinstance(event, Progress) and event.mark is Mark.FAILED:
        return (Reason(event.subject, event.message or f"{event.stage} failed", event.logs),)
    return ()


def grouped_logs(title: str, lines: Sequence[str]) -> Iterator[str]:
    """Lines that fold away. Commands are stopped among them: a container wrote those lines."""
    token = secrets.token_hex(16)
    yield f"::group::{_data(title)}: last {len(lines)} log lines"
    yield f"::stop-commands::{token}"
    yield from lines
    yield f"::{token}::"
    yield "::endgroup::"


def tell_end(error: ShipitError, outlet: Outlet, environ: Mapping[str, str] | None = None) -> None:
    """What ended a command, as an annotation and in the job's summary. A gate that holds is no
    failure, and so a notice. Does nothing outside GitHub Actions."""
    environ = os.environ if environ is None else environ
    if environ.get("GITHUB_ACTIONS") != "true":
        return
    held = isinstance(error, HeldError)
    outlet.write(annotation("notice" if held else "error", "shipit", clean(str(error))))
    _append(_paragraphs(error, "⏸" if held else "❌"), environ)


def append_summary(matrix: Matrix, environ: Mapping[str, str] | None = None) -> None:
    """Adds the matrix to the job's summary page. Does nothing outside GitHub Actions."""
    _append(job_summary(matrix), os.environ if environ is None else environ)


def _append(text: str, environ: Mapping[str, str]) -> None:
    path = environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as summary:
            summary.write(text)


def _paragraphs(error: ShipitError, sign: str) -> str:
    """What happened, why, and what to do now; lines stay lines (two spaces: a break)."""
    parts = (f"{sign} **{error.what}**", error.why, error.next_step)
    lines = [[_escaped(clean(line)) for line in part.splitlines()] for part in parts if part]
    return "".join("  \n".join(part) + "\n\n" for part in lines)


def job_summary(matrix: Matrix) -> str:
    """The matrix as a Markdown table."""
    columns = matrix.environments
    rows = [
        ["", *(f"**{column.name}**" for column in columns)],
        ["---"] * (len(columns) + 1),
        ["release", *(f"`{c.release_id}`" if c.release_id else "-" for c in columns)],
        ["health", *(_health(column) for column in columns)],
        *([row.service, *(_cell(row.cells[c.name]) for c in columns)] for row in matrix.services),
    ]
    table = "\n".join(f"| {' | '.join(_escaped(cell) for cell in row)} |" for row in rows)
    notes = "".join(f"- {_escaped(note)}\n" for note in matrix.notes())
    return f"### {matrix.app}\n\n{table}\n\n{notes}"


_SIGNS = {"healthy": "✅", "unhealthy": "❌", "not proven": "⚠️", "nothing yet": "-"}


def _health(column: Column) -> str:
    states = [f"{_SIGNS[column.health]} {column.health}"]
    states += ["deploying"] * bool(column.active) + ["held"] * bool(column.hold)
    return ", ".join(states + ["interrupted"] * bool(column.interrupted))


def _cell(cell: Cell) -> str:
    if cell.digest is None:
        return "-"
    return f"`{cell.digest.short}` {cell.group}{' ≠' if cell.differs else ''}"


def _escaped(text: str) -> str:
    """A pipe ends a cell, and a line break a row, even in what a person typed."""
    return text.replace("|", "\\|").replace("\r", " ").replace("\n", " ").replace("<", "&lt;")
