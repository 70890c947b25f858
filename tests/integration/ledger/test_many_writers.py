"""Eight processes that commit a thousand events each to one ledger: nothing is lost, nothing is out
of order, no number is skipped; and a writer killed at any moment leaves the log whole.

On the local folder each event is a commit of its own (8,000 commits, about 11 s on two cores). On
moto's S3 ten events are one commit (800 commits, about 20 s): moto's server, written in Python,
answers some 150 requests a second, which is what is being measured there, not the ledger.
"""

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest

from shipit.ledger import Ledger
from shipit.ledger.checkpoint import KEPT
from shipit.model.events import HoldSet
from shipit.model.state import State, fold
from tests.integration.ledger.conftest import ROOT

WRITERS, EVENTS = 8, 1000
_COMMITTER = ROOT / "tests" / "fakes" / "committer.py"


@contextmanager
def writer(url: str, name: str, events: int, batch: int) -> Iterator["subprocess.Popen[bytes]"]:
    argv = [sys.executable, str(_COMMITTER), url, name, str(events), str(batch)]
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def start(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdin.write(b"\n")
    process.stdin.flush()


def said(ledger: Ledger) -> dict[str, list[int]]:
    """What each writer's events say, in the log's order; the log itself is whole."""
    words: dict[str, list[int]] = defaultdict(list)
    state = State()
    for number, commit in enumerate(ledger.history(newest_first=False), 1):
        assert commit.number == number
        state = fold(state, commit)
        for event in commit.events:
            assert isinstance(event, HoldSet)
            words[event.environment].append(int(event.reason))
    assert state == ledger.read()
    return words


def eight_write(url: str, batch: int) -> None:
    names = [f"writer-{n}" for n in range(WRITERS)]
    with ExitStack() as stack:
        writers = [stack.enter_context(writer(url, name, EVENTS, batch)) for name in names]
        for process in writers:
            start(process)
        assert [process.wait(240) for process in writers] == [0] * WRITERS
    ledger = Ledger.open(url, root=Path("/"))
    assert said(ledger) == {name: list(range(EVENTS)) for name in names}
    assert ledger.read().number == WRITERS * EVENTS // batch
    assert len(ledger.store.list("state")) <= WRITERS * KEPT


@pytest.mark.slow
def test_eight_processes_on_a_folder(tmp_path: Path) -> None:
    eight_write(str(tmp_path / "ledger"), batch=1)


@pytest.mark.slow
@pytest.mark.aws
def test_eight_processes_on_s3(s3: str) -> None:
    eight_write(s3, batch=10)


def test_a_writer_killed_at_any_moment_leaves_the_log_whole(tmp_path: Path) -> None:
    """SIGKILL after a random while, fifteen times; each finds the log as the last one left it."""
    random = Random(7)
    url = str(tmp_path / "ledger")
    for turn in range(15):
        before = Ledger.open(url, root=Path("/")).read().number
        with writer(url, f"turn-{turn}", 10_000, 1) as process:
            start(process)
            wait_for_commits(url, before + random.randint(1, 20))
            process.send_signal(signal.SIGKILL)
            assert process.wait(10) == -signal.SIGKILL
        ledger = Ledger.open(url, root=Path("/"))
        words = said(ledger)
        assert words[f"turn-{turn}"] == list(range(len(words[f"turn-{turn}"])))
        assert ledger.read().number > before
    assert len(words) == 15


def wait_for_commits(url: str, number: int) -> None:
    path = Path(url) / "log" / f"{number:012d}.json"
    until = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until, f"{path} was never written"
