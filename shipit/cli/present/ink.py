"""Text on a terminal: colours, marks and widths. No library: `status` has no time for one."""

import os
import re
import shutil
import unicodedata
from collections.abc import Mapping
from typing import Self, TextIO

import msgspec

from shipit.model.progress import Mark

# ECMA-48, 5.4: control sequences; and the operating system commands that set titles and links.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CODES = {
    "bold": 1,
    "dim": 2,
    "red": 31,
    "green": 32,
    "yellow": 33,
    "blue": 34,
    "magenta": 35,
    "cyan": 36,
}
_MARKS = {
    Mark.DONE: ("✓", "+", "green"),
    Mark.FAILED: ("✗", "x", "red"),
    Mark.RUNNING: ("▸", ">", "cyan"),
    Mark.SKIPPED: ("○", "-", "dim"),
    Mark.INFO: ("·", "i", "dim"),
}
_PLAIN_FORMS = (("≠", "!="), ("…", "..."), ("→", "->"))


class Ink(msgspec.Struct, frozen=True):
    """What a stream can show: colours, more than ASCII, and how many columns (None: no limit)."""

    colour: bool = False
    unicode: bool = True
    width: int | None = None

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str] | None = None) -> Self:
        environ = os.environ if environ is None else environ
        terminal = stream.isatty()
        return cls(
            colour=_coloured(terminal, environ),
            unicode=speaks_unicode(stream),
            width=_columns(environ) if terminal else None,
        )

    def paint(self, text: str, *styles: str) -> str:
        """`styles`: bold, dim, red, green, yellow, blue, magenta, cyan."""
        if not self.colour or not text or not styles:
            return text
        codes = ";".join(str(_CODES[style]) for style in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def mark(self, mark: Mark) -> str:
        wide, plain, style = _MARKS[mark]
        return self.paint(wide if self.unicode else plain, style)

    def say(self, text: str) -> str:
        """The text, in ASCII where the stream knows no more."""
        if self.unicode:
            return text
        for sign, plain in _PLAIN_FORMS:
            text = text.replace(sign, plain)
        return text.encode("ascii", "replace").decode()


def _coloured(terminal: bool, environ: Mapping[str, str]) -> bool:
    """NO_COLOR (no-color.org) wins; FORCE_COLOR is for CI logs, which show colours all the same."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return terminal and environ.get("TERM") != "dumb"


def _columns(environ: Mapping[str, str]) -> int:
    said = environ.get("COLUMNS", "")
    return int(said) if said.isdecimal() and int(said) else shutil.get_terminal_size().columns


def speaks_unicode(stream: TextIO) -> bool:
    try:
        "✓≠…".encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def clean(text: str) -> str:
    """Without escapes and control characters: what a container writes must not drive a terminal."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text)).replace("\t", "    ")


def width(text: str) -> int:
    """Columns on a terminal, escapes not counted."""
    text = _ESCAPES.sub("", text)
    if text.isascii():
        return len(text)
    return sum(_columns_of(char) for char in text)


def _columns_of(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def pad(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))


def crop(text: str, columns: int, ellipsis: str = "…") -> str:
    """At most so many columns of text that holds no escapes."""
    if width(text) <= columns:
        return text
    kept = text[: max(columns - len(ellipsis), 0)]
    while kept and width(kept) > columns - len(ellipsis):
        kept = kept[:-1]
    return kept + ellipsis
