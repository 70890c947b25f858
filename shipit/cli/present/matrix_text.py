"""The matrix as text with colours: for a terminal, a CI log and `watch`. No Rich, to be quick."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TextIO

from shipit.cli.present.ink import Ink, clean, crop, pad, width
from shipit.cli.present.matrix import Cell, Column, Matrix, Proof
from shipit.cli.present.table import age, since
from shipit.model.progress import Mark

_GAP = "  "
_HEALTH = {
    Proof.HEALTHY: (Mark.DONE, "green"),
    Proof.UNHEALTHY: (Mark.FAILED, "red"),
    Proof.NOT_PROVEN: (Mark.FAILED, "yellow"),
    Proof.NOTHING: (Mark.SKIPPED, "dim"),
}
_GROUP_COLOURS = ("green", "yellow", "magenta", "cyan", "blue")
_DIGITS, _FEW_DIGITS = 12, 7
_LEAST_SUBJECT = 12  # columns: fewer of it say nothing


def draw(
    matrix: Matrix, *, stream: TextIO | None = None, environ: Mapping[str, str] | None = None
) -> None:
    """Writes the matrix for a person to read; see `lines` for what is in it."""
    stream = stream or sys.stdout
    ink = Ink.of(stream, os.environ if environ is None else environ)
    stream.write("\n".join(lines(matrix, ink)) + "\n")


def lines(matrix: Matrix, ink: Ink) -> list[str]:
    """A title, a block of columns (several blocks where the terminal is too narrow), and notes."""
    said = [_title(matrix, ink)]
    for block in _blocks(matrix, ink):
        said += ["", *block]
    notes = [ink.say(clean(note)) for note in matrix.notes()]
    return [*said, "", *notes] if notes else said


def _title(matrix: Matrix, ink: Ink) -> str:
    newest = matrix.newest
    if newest is None:
        return f"{ink.paint(matrix.app, 'bold')}   no release yet: run `shipit build`"
    about = f"newest release {newest.id}, built {since(newest.created_at, matrix.at)}"
    room = (ink.width or 1000) - width(f"{matrix.app}   {about} ()")
    subject = crop(clean(newest.subject), room) if room > _LEAST_SUBJECT else ""
    subject = f" ({subject})" if subject else ""
    return ink.say(f"{ink.paint(matrix.app, 'bold')}   {about}{subject}")


def _blocks(matrix: Matrix, ink: Ink) -> Iterator[list[str]]:
    """The first of: whole digests, short digests, as many columns a block as fit."""
    names = [""] + [label for label, _ in _heads(matrix, ink)]
    first = max(width(name) for name in (*names, *(row.service for row in matrix.services)))
    whole = _columns(matrix, ink, _DIGITS)
    if not _fits(first, whole, ink.width):
        whole = _columns(matrix, ink, _FEW_DIGITS)
    labels = [*names, "", *(row.service for row in matrix.services)] if matrix.services else names
    while whole:
        count = next((n for n in range(len(whole), 1, -1) if _fits(first, whole[:n], ink.width)), 1)
        block, whole = whole[:count], whole[count:]
        yield [_row(texts, first) for texts in zip(labels, *block, strict=True)]


def _row(texts: Sequence[str], first: int) -> str:
    label, *cells = texts
    return _GAP.join([pad(label, first), *cells]).rstrip()


def _fits(first: int, columns: Sequence[Sequence[str]], limit: int | None) -> bool:
    return limit is None or first + sum(len(_GAP) + width(c[0]) for c in columns) <= limit


def _columns(matrix: Matrix, ink: Ink, digits: int) -> list[list[str]]:
    """Each column's texts from its name down, padded to one width."""
    heads = _heads(matrix, ink)
    found = []
    for n, column in enumerate(matrix.environments):
        texts = [ink.paint(column.name, "bold"), *(cells[n] for _, cells in heads)]
        if matrix.services:
            texts += ["", *(_cell(row.cells[column.name], ink, digits) for row in matrix.services)]
        columns = max(width(text) for text in texts)
        found.append([pad(text, columns) for text in texts])
    return found


def _heads(matrix: Matrix, ink: Ink) -> list[tuple[str, list[str]]]:
    """The rows above the services. Rows that would say nothing are left out."""
    columns, now = matrix.environments, matrix.at
    heads = [
        ("release", [c.release_id or "-" for c in columns]),
        ("since", [since(c.since, now) for c in columns]),
        ("health", [_health(c, ink) for c in columns]),
        ("checked", [since(c.checked_at, now) for c in columns]),
        ("now", [_work(c, ink, now) for c in columns]),
    ]
    return [(label, cells) for label, cells in heads if any(cell.strip("-") for cell in cells)]


def _health(column: Column, ink: Ink) -> str:
    mark, style = _HEALTH[column.health]
    return f"{ink.mark(mark)} {ink.paint(column.health, style)}"


def _work(column: Column, ink: Ink, now: datetime) -> str:
    """The one word that matters most; the notes below say the rest."""
    if column.active:
        word = "rolling back" if column.active.rolling_back else "deploying"
        return ink.paint(f"{word} {age(column.active.since, now)}", "cyan")
    if column.interrupted:
        return ink.paint("interrupted", "red")
    return ink.paint("held", "yellow") if column.hold else ""


def _cell(cell: Cell, ink: Ink, digits: int) -> str:
    """Equal digests have one letter and one colour; `≠`: not what runs upstream."""
    differs = ink.paint(ink.say(" ≠"), "red", "bold") if cell.differs else ""
    if cell.digest is None:
        return f"-{differs}"
    style = _GROUP_COLOURS[(ord(cell.group) - ord("A")) % len(_GROUP_COLOURS)]
    text = ink.paint(f"{cell.digest.hex[:digits]} {cell.group}", style)
    return f"{text}{_counts(cell)}{differs}"


def _counts(cell: Cell) -> str:
    """Replicas, where they were observed and are not simply one of one."""
    if cell.desired is None or cell.running == cell.desired <= 1:
        return ""
    return f" {cell.running}/{cell.desired}"
