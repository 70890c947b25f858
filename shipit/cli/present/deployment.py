"""The last words of a deployment: what runs where, or why it does not and what to do now."""

import os
import sys
from collections.abc import Iterator, Mapping
from typing import TextIO

import msgspec

from shipit.cli.present.ink import Ink, clean, pad, width
from shipit.model.digest import Digest
from shipit.model.duration import format_duration
from shipit.model.progress import Mark, Reason
from shipit.model.state import Record


class Closing(msgspec.Struct, frozen=True):
    """A deployment that ended, as it is told. Also its `--json` form.

    `proven` is, by target and service, what the running containers reported; empty when it did not
    succeed. `runs` is the id of the release that the environment has now, "" for none.
    `addresses` are where it answers, where the target publishes any.
    """

    record: Record
    proven: dict[str, dict[str, Digest]] = {}
    runs: str = ""
    addresses: tuple[str, ...] = ()
    next_step: str = ""


def draw_closing(
    closing: Closing,
    *,
    logs: bool = True,
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """`logs`: repeat the failing containers' last lines. The live view has shown them already."""
    stream = stream or sys.stderr
    ink = Ink.of(stream, os.environ if environ is None else environ)
    stream.write("\n".join(closing_lines(closing, ink, logs=logs)) + "\n")


def closing_lines(closing: Closing, ink: Ink, *, logs: bool = True) -> list[str]:
    record = closing.record
    took = format_duration(record.ended_at - record.started_at)
    if record.outcome == "succeeded":
        head = f"{record.environment} runs {record.release_id}, proven in {took}"
        return [f"{ink.mark(Mark.DONE)} {ink.paint(head, 'bold')}", *_proven(closing, ink)]
    words = f"{record.environment}: {record.release_id} {_outcome(record)} after {took}"
    lines = [f"{ink.mark(Mark.FAILED)} {ink.paint(words, 'bold')}"]
    for reason in record.reasons:
        lines += _reason(reason, ink, logs=logs)
    if closing.runs:
        lines.append(f"  {record.environment} runs {closing.runs}")
    return [*lines, *([f"  {ink.say(closing.next_step)}"] if closing.next_step else [])]


def _outcome(record: Record) -> str:
    return "was rolled back" if record.outcome == "rolled_back" else record.outcome


def _proven(closing: Closing, ink: Ink) -> Iterator[str]:
    rows = [
        (f"{target}/{name}" if target != "default" else name, digest)
        for target, services in closing.proven.items()
        for name, digest in services.items()
    ]
    columns = max((width(name) for name, _ in rows), default=0)
    for name, digest in rows:
        yield f"  {pad(name, columns)}  {ink.paint(digest.short, 'green')}"
    for address in closing.addresses:
        yield f"  {address}"


def _reason(reason: Reason, ink: Ink, *, logs: bool) -> Iterator[str]:
    yield f"  {ink.say(clean(str(reason)))}"
    for line in reason.logs if logs else ():
        yield f"    | {ink.say(clean(line))}"
