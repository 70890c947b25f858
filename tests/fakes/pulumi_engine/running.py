"""Runs that the cloud keeps waiting, and the commands that are printed as the way out."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.fakes.command import Shipit
from tests.fakes.engine import wait_for
from tests.fakes.pulumi_engine.cloud import Cloud

_PATIENCE = 120.0  # seconds: an engine and its plugins start slowly on a busy machine


@contextmanager
def stuck(shop: Shipit, cloud: Cloud, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """It waits for the cloud, as `Cloud.break_at` has told that one. At the end it is killed, if it
    still runs, with everything that it started."""
    with shop.start(*words) as process:
        try:
            wait_for(lambda: cloud.hanging or process.poll() is not None, _PATIENCE)
            assert process.poll() is None, process.communicate()
            yield process
        finally:
            if process.poll() is None:
                _kill_all(process.pid)
                process.communicate(timeout=30)


def heard(stream: IO[str], word: str) -> str:
    """What a program that still runs has said, up to the line with this word."""
    said, until = b"", time.monotonic() + _PATIENCE
    while word.encode() not in said or not said.endswith(b"\n"):
        left = until - time.monotonic()
        assert left > 0, f"{word!r} was not said: {said!r}"
        if select.select([stream], [], [], left)[0]:
            part = os.read(stream.fileno(), 65536)
            assert part, f"it ended without {word!r}: {said!r}"
            said += part
    return said.decode()


def printed(said: str, word: str) -> str:
    """The command in a message that has this word."""
    (found,) = [part for part in said.split("`")[1::2] if word in part]
    return " ".join(found.split())


def in_a_shell(command: str, shop: Shipit) -> None:
    """As it was printed, where the user is."""
    where = shop.folder / "docs" / "notes"
    where.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=where,
        env=shop.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _kill_all(process: int) -> None:
    """With its children: the engine runs in a session of its own."""
    for child in _children(process):
        _kill_all(child)
    os.kill(process, signal.SIGKILL)


def _children(process: int) -> list[int]:
    """Of all its threads: each has its own."""
    found = Path(f"/proc/{process}/task").glob("*/children")
    return [int(word) for path in found for word in path.read_text().split()]
