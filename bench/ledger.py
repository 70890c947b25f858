"""Reading a ledger of 10,000 deployments: how many objects, and how long."""

import atexit
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from bench.measure import PYTHON, Result, seconds
from shipit.ledger import Ledger
from shipit.ledger.checkpoint import Checkpoints
from shipit.ledger.folder import Folder
from shipit.ledger.log import path_of
from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.events import (
    Actor,
    Commit,
    DeploymentStarted,
    DeploymentSucceeded,
    Event,
    Kind,
    ReleaseCreated,
    StageFinished,
)
from shipit.model.progress import Stage
from shipit.model.release import ReleaseSummary, Source
from shipit.model.state import State, fold

DEPLOYMENTS = 10_000
ENVIRONMENTS = ("dev", "qa", "staging", "production")
SERVICES = ("web", "worker", "migrate")
_STAGES = (Stage.COPY, Stage.APPLY, Stage.PROVE)
_START = datetime(2025, 1, 1, tzinfo=UTC)
_AUTHOR = Actor("anna", "build-7", 4242, "boot:ns:1", "https://ci.example/run/7", "0.1.0")


class _Counted(Folder):
    reads = 0

    def get(self, path: str) -> bytes | None:
        self.reads += 1
        return super().get(path)

    def get_many(self, paths: Sequence[str]) -> list[bytes | None]:
        return [self.get(path) for path in paths]

    def list(self, folder: str) -> list[str]:
        self.reads += 1
        return super().list(folder)


def build(folder: Path, deployments: int = DEPLOYMENTS) -> State:
    """A ledger in which each release went through the four environments, commit by commit.

    Written without the store's syncs, since nobody's record depends on it.
    """
    (folder / "log").mkdir(parents=True)
    state = State()
    for turn in range(deployments):
        for happened in _deployment(state.number, turn):
            number = state.number + 1
            at = _START + timedelta(seconds=30 * number)
            commit = Commit(number, at, _AUTHOR, happened, f"{number:016x}")
            (folder / path_of(number)).write_bytes(codec.encode(commit))
            state = fold(state, commit)
    Checkpoints(Folder(folder)).write(state)
    return state


@cache
def built() -> Path:
    """One for the whole run, gone at its end."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "ledger"
    build(path)
    return path


def _deployment(number: int, turn: int) -> list[tuple[Event, ...]]:
    """The commits of one deployment after commit `number`; a new release every fourth time."""
    release = _release(turn // len(ENVIRONMENTS))
    environment = ENVIRONMENTS[turn % len(ENVIRONMENTS)]
    first: tuple[Event, ...] = (ReleaseCreated(release=release),)
    commits = [first] if environment == ENVIRONMENTS[0] else []
    token = number + len(commits) + 1
    kind = Kind.DEPLOY if environment == ENVIRONMENTS[0] else Kind.PROMOTE
    started = DeploymentStarted(
        environment=environment, release=release.digest, release_id=release.id, kind=kind
    )
    stages = [StageFinished(environment=environment, token=token, stage=s) for s in _STAGES]
    proven = {"default": release.images}
    ended = DeploymentSucceeded(environment=environment, token=token, proven=proven)
    return [*commits, (started,), *((stage,) for stage in stages), (ended,)]


def _release(number: int) -> ReleaseSummary:
    return ReleaseSummary(
        id=f"2025.{number}",
        digest=Digest.of(f"release {number}".encode()),
        created_at=_START,
        created_by="anna",
        source=Source(f"{number:040x}", branch="main", subject="A change that somebody made"),
        images={name: Digest.of(f"{name} {number}".encode()) for name in SERVICES},
    )


def run() -> list[Result]:
    store = _Counted(built())
    assert Ledger(store).read().deployments == DEPLOYMENTS
    times = [_read(built()) for _ in range(15)]
    bare = statistics.median(seconds([PYTHON, "-c", "pass"]) for _ in range(15)) * 1000
    took = statistics.median(times) * 1000
    return [
        Result(
            f"ledger of {DEPLOYMENTS:,} deployments: objects read", store.reads, 1, store.reads, 3
        ),
        Result("ledger: Ledger.read() in process, ms", took, bare, took / bare, 20),
    ]


def _read(path: Path) -> float:
    began = time.perf_counter()
    Ledger(Folder(path)).read()
    return time.perf_counter() - began
