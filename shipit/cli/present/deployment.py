"""The last words of a deployment that ended well: what runs where, by digest, and how long it took.

One that did not raises: its reasons were shown as they came, and the catcher says the rest.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TextIO

from shipit.cli.present.ink import Ink, pad, width
from shipit.delivery.request import Result
from shipit.model.duration import format_duration
from shipit.model.progress import Mark


def draw_result(
    result: Result,
    *,
    addresses: Sequence[str] = (),
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """`addresses`: where the environment answers, as `http://127.0.0.1:8081`."""
    stream = stream or sys.stderr
    ink = Ink.of(stream, os.environ if environ is None else environ)
    stream.write("\n".join(result_lines(result, ink, addresses)) + "\n")


def result_lines(result: Result, ink: Ink, addresses: Sequence[str] = ()) -> list[str]:
    head = ink.paint(f"{result.environment} runs {result.release_id}", "bold")
    took = format_duration(timedelta(seconds=result.seconds))
    how = f"proven in {took}" if result.changed else f"nothing had to change, proven in {took}"
    rows = [*_proven(result, ink), *(f"  {address}" for address in addresses)]
    return [f"{ink.mark(Mark.DONE)} {head}, {how}", *rows]


def _proven(result: Result, ink: Ink) -> Iterator[str]:
    rows = [
        (f"{target}/{name}" if target != "default" else name, digest)
        for target, services in result.proven.items()
        for name, digest in services.items()
    ]
    columns = max((width(name) for name, _ in rows), default=0)
    for name, digest in rows:
        yield f"  {pad(name, columns)}  {ink.paint(digest.short, 'green')}"
