"""The live view, on a real pseudo-terminal: what stays when it has ended."""

import io
import os
import pty
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from rich.live import Live

from shipit.cli.present.progress import Listener, is_live, listener
from shipit.model.digest import Digest
from shipit.model.progress import Failed, Mark, Progress, Reason, Stage, Succeeded

TERMINAL = {"TERM": "xterm-256color", "COLUMNS": "70", "LINES": "24"}
_CSI = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Screen:
    """As much of a terminal (ECMA-48) as the live view uses, to see what it leaves behind."""

    def __init__(self, text: str) -> None:
        self.lines, self.row, self.column = [""], 0, 0
        place = 0
        while place < len(text):
            if found := _CSI.match(text, place):
                self._control(found[1], found[2])
                place = found.end()
            else:
                self._put(text[place])
                place += 1

    def _control(self, value: str, kind: str) -> None:
        if kind == "A":
            self.row -= int(value or 1)
        elif kind == "K":
            self.lines[self.row] = "" if value == "2" else self.lines[self.row][: self.column]
        else:
            assert kind in "mhl", f"the view used {value}{kind}"

    def _put(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row, self.column = self.row + 1, 0
            if self.row == len(self.lines):
                self.lines.append("")
        else:
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + char + line[self.column + 1 :]
            self.column += 1

    def words(self) -> list[str]:
        """The lines that are left, inner white space as one blank."""
        return [" ".join(line.split()) for line in self.lines if line.strip()]


class Seen:
    """What was written to the terminal, what is left of it, and what ended the work."""

    def __init__(self, raw: str, error: Exception | None) -> None:
        self.raw = raw
        self.screen = Screen(raw)
        self.error = error


Work = Callable[[Listener], None]


class Watch(Protocol):
    def __call__(self, work: Work, encoding: str = "utf-8", **environ: str) -> Seen: ...


@pytest.fixture
def watch() -> Watch:
    """Runs a function with a listener on a pseudo-terminal; returns what was written there."""

    def run(work: Work, encoding: str = "utf-8", **environ: str) -> Seen:
        master, slave = pty.openpty()
        parts: list[bytes] = []

        def read() -> None:
            with suppress(OSError):  # EIO: the other end was closed
                while part := os.read(master, 65536):
                    parts.append(part)

        reader = threading.Thread(target=read)
        reader.start()
        error: Exception | None = None
        with open(slave, "w", encoding=encoding) as stream:  # noqa: PTH123 - a descriptor
            try:
                with listener(
                    as_json=False, stream=stream, environ={**TERMINAL, **environ}
                ) as listen:
                    work(listen)
            except RuntimeError as ended:
                error = ended
        reader.join(10)
        os.close(master)
        return Seen(b"".join(parts).decode(encoding), error)

    return run


def step(
    stage: Stage,
    mark: Mark,
    subject: str = "",
    message: str = "",
    *,
    environment: str = "dev",
    logs: tuple[str, ...] = (),
) -> Progress:
    return Progress(stage, mark, subject, message, environment, logs=logs)


def good(listen: Listener) -> None:
    listen(step(Stage.GATES, Mark.DONE, message="1a2b3c4 may enter"))
    listen(step(Stage.FOLLOW, Mark.RUNNING, "web", "starting"))
    listen(step(Stage.FOLLOW, Mark.RUNNING, "worker", "starting"))
    listen(step(Stage.FOLLOW, Mark.DONE, "web", "healthy"))
    listen(step(Stage.FOLLOW, Mark.DONE, "worker", "running"))
    listen(step(Stage.RECORD, Mark.DONE, message="1a2b3c4 runs in dev"))
    listen(Succeeded({"web": Digest.of(b"web")}))


def test_finished_stages_stay_as_a_line_each(watch: Watch) -> None:
    assert watch(good).screen.words() == [
        "dev",
        "✓ gates 1a2b3c4 may enter",
        "✓ follow web healthy, worker running",
        "✓ record 1a2b3c4 runs in dev",
        f"✓ proven web {Digest.of(b'web').short}",
    ]


def test_environments_are_sections(watch: Watch) -> None:
    def work(listen: Listener) -> None:
        for environment in ("dev", "qa"):
            listen(step(Stage.PLAN, Mark.RUNNING, message="2", environment=environment))

    assert watch(work).screen.words() == ["dev", "✓ plan 2", "qa", "✓ plan 2"]


def bad(listen: Listener) -> None:
    logs = ("boot \x1b[2J", "no database")
    listen(step(Stage.FOLLOW, Mark.RUNNING, "web", "starting"))
    listen(step(Stage.FOLLOW, Mark.FAILED, "web", "exited (1)", logs=logs))
    listen(step(Stage.PROVE, Mark.FAILED, "web", "exited (1)", logs=logs))
    listen(step(Stage.ROLLBACK, Mark.DONE, message="back to 0000001"))
    listen(Failed((Reason("web", "exited (1)", logs),)))


def test_a_failure_shows_its_logs_once_below_it(watch: Watch) -> None:
    assert watch(bad).screen.words() == [
        "dev",
        "│ last log lines of web",
        "│ boot",
        "│ no database",
        "✗ follow web",
        "✗ web exited (1)",
        "✓ rollback back to 0000001",
        "✗ failed web: exited (1)",
    ]


def test_the_way_back_is_told_by_where_it_leads(watch: Watch) -> None:
    def work(listen: Listener) -> None:
        listen(step(Stage.ROLLBACK, Mark.RUNNING, message="back to 0000001"))
        listen(step(Stage.ROLLBACK, Mark.RUNNING, message="1 to change"))
        listen(step(Stage.ROLLBACK, Mark.DONE))

    assert watch(work).screen.words() == ["dev", "✓ rollback back to 0000001"]


def test_what_ran_when_an_exception_came_is_shown_as_stopped(watch: Watch) -> None:
    def work(listen: Listener) -> None:
        listen(step(Stage.COPY, Mark.RUNNING, message="layers"))
        raise RuntimeError

    seen = watch(work)
    assert seen.error is not None
    assert seen.screen.words() == ["dev", "✗ copy layers"]


@pytest.mark.parametrize("columns", ["60", "70", "200"])
def test_no_line_is_wider_than_the_terminal(watch: Watch, columns: str) -> None:
    def work(listen: Listener) -> None:
        listen(step(Stage.APPLY, Mark.RUNNING, "web", "word " * 40))
        listen(step(Stage.APPLY, Mark.DONE, message="word " * 40))

    screen = watch(work, COLUMNS=columns).screen
    assert max(len(line.rstrip()) for line in screen.lines) <= int(columns)
    assert " ".join(screen.words()).count("word") == 40


def test_without_unicode_the_marks_are_ascii(watch: Watch) -> None:
    assert watch(good, encoding="ascii").screen.words()[1] == "+ gates 1a2b3c4 may enter"
    assert "| no database" in watch(bad, encoding="ascii").screen.words()


def test_no_color_is_honoured(watch: Watch) -> None:
    assert "\x1b[32m" in watch(good).raw
    assert "\x1b[32m" not in watch(good, NO_COLOR="1").raw


def test_the_cursor_is_given_back(watch: Watch) -> None:
    assert watch(bad).raw.rstrip("\r\n").endswith("\x1b[?25h")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "live"),
    [
        (TERMINAL, True),
        ({**TERMINAL, "CI": "true"}, False),
        ({**TERMINAL, "CI": "false"}, True),
        ({"TERM": "dumb"}, False),
    ],
)
def test_ci_and_dumb_terminals_get_plain_lines(environ: dict[str, str], live: bool) -> None:
    assert is_live(_Terminal(), environ) is live


def test_it_writes_while_rich_draws(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the two has a lock, and neither waits for the other's while it holds its own."""
    drawing = threading.Event()
    drawn, clock = Live.get_renderable, time.monotonic

    def get_renderable(live: Live) -> Any:
        if threading.current_thread() is not threading.main_thread():
            drawing.set()  # with Rich's lock, and on the way to the board's
        return drawn(live)

    def monotonic() -> float:
        if threading.current_thread() is threading.main_thread():
            drawing.clear()
            drawing.wait(2)
        return clock()

    monkeypatch.setattr(Live, "get_renderable", get_renderable)
    monkeypatch.setattr("shipit.cli.present.live.time", SimpleNamespace(monotonic=monotonic))
    seen = watch(good)
    assert seen.error is None
    assert "1a2b3c4 runs in dev" in " ".join(seen.screen.words())
