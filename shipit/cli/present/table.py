"""Rows in aligned columns, and the short forms of values that they show."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TextIO

from shipit.cli.present.ink import Ink, pad, width
from shipit.model.digest import Digest

_GAP = "   "


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Upper-case headers, no borders, the last column as long as it is. No rows: nothing at all."""
    stream = stream or sys.stdout
    ink = Ink.of(stream, os.environ if environ is None else environ)
    lines = layout(headers, rows)
    if lines:
        head, *body = lines
        stream.write("\n".join([ink.paint(head, "bold"), *map(ink.say, body)]) + "\n")


def layout(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of the table; cells may hold colours."""
    cells = [[cell or "-" for cell in row] for row in rows]
    if not cells:
        return []
    cells.insert(0, [header.upper() for header in headers])
    widths = [max(width(row[n]) for row in cells) for n in range(len(headers))]
    return [_line(row, widths) for row in cells]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [pad(cell, columns) for cell, columns in zip(row[:-1], widths, strict=False)]
    return _GAP.join([*padded, row[-1]]).rstrip()


def since(then: datetime | None, now: datetime) -> str:
    """How long ago, in one unit: `12s ago`, `3m ago`, `5h ago`, `2d ago`."""
    return f"{age(then, now)} ago" if then else "-"


def age(then: datetime, now: datetime) -> str:
    """The time between, in one unit, as kubectl says it: 90s, 2m, 36h. A clock ahead gives `0s`."""
    seconds = max(int((now - then).total_seconds()), 0)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def short(digest: Digest | None) -> str:
    """The first 12 hex digits, `-` where there is no digest."""
    return digest.short if digest else "-"
