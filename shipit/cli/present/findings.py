"""The lines of `shipit check`."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from shipit.cli.present.ink import Ink, clean, pad, width
from shipit.model.deployment import Finding

_LEVELS = {
    "ok": ("✓", "ok", "green"),
    "warning": ("!", "warning", "yellow"),
    "error": ("✗", "error", "red"),
}


def draw_findings(
    findings: Sequence[Finding],
    *,
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    stream = stream or sys.stdout
    ink = Ink.of(stream, os.environ if environ is None else environ)
    stream.write("\n".join(finding_lines(findings, ink)) + "\n")


def finding_lines(findings: Sequence[Finding], ink: Ink) -> list[str]:
    """In the order found; the next step below what needs one; a closing line that counts."""
    columns = max((width(found.subject) for found in findings), default=0)
    lines = []
    for found in findings:
        lines.append(_line(found, columns, ink))
        if found.next_step:
            lines.append(f"  {' ' * columns}  {ink.say(clean(found.next_step))}")
    return [*lines, _verdict(findings, ink)]


def _line(found: Finding, columns: int, ink: Ink) -> str:
    mark, word, style = _LEVELS[found.level]
    shown = ink.paint(mark if ink.unicode else word, style)
    return f"{shown} {pad(found.subject, columns)}  {ink.say(clean(found.what))}"


def _verdict(findings: Sequence[Finding], ink: Ink) -> str:
    errors = sum(found.level == "error" for found in findings)
    warnings = sum(found.level == "warning" for found in findings)
    if errors:
        return ink.paint(f"{_counted(errors, 'error')} would stop a deployment", "red", "bold")
    said = f"; {_counted(warnings, 'warning')}" if warnings else ""
    return ink.paint(f"nothing would stop a deployment{said}", "green")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"
