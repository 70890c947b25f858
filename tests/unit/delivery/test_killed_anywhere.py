"""Killed at any write to the ledger or any step of the target: exhaustively, in memory.

A killed process writes nothing more, so from the moment on its store refuses everything. The next
process sees no sign of life for a TTL, and finishes the work.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request, Step
from shipit.delivery.resume import resume
from shipit.errors import RolledBackError, StoreError
from shipit.ledger import Ledger
from shipit.ledger.store import Store
from shipit.model.progress import Reason
from tests.fakes.project import FakeProject, environment, fails, run


class KilledError(BaseException):
    """SIGKILL, as far as it can be had within a process."""


class Mortal:
    """A store, and targets, that are alive until the `moment`-th instant. There is one before and
    one after every commit, and wherever a target calls its hook."""

    vouched = True

    def __init__(self, store: Store, moment: int) -> None:
        self.store, self.moment, self.count = store, moment, 0

    def instant(self, _: str = "") -> None:
        self.count += 1
        if self.count >= self.moment:
            raise KilledError

    def create(self, path: str, data: bytes) -> bool:
        self.instant()
        done = self.store.create(path, data)
        self.instant()
        return done

    def __getattr__(self, name: str) -> Callable[..., object]:
        if self.count >= self.moment:
            # A heartbeat's thread is ended by its block, and not by what it meets.
            here = threading.current_thread() is threading.main_thread()
            raise KilledError if here else StoreError("killed")
        found: Callable[..., object] = getattr(self.store, name)
        return found


def story(tmp_path: Path) -> FakeProject:
    """a is proven; b is about to come, with tasks around it."""
    project = FakeProject(tmp_path, environment("dev", targets=("eu", "us")))
    project.release("a")
    run(deploy(project, Request("dev")))
    project.release("b", before=("migrate",), after=("warm",))
    return project


def killed(project: FakeProject, moment: int) -> int:
    """How many instants there were."""
    mortal = Mortal(project.store, moment)
    doomed = project.again()
    doomed.ledger = Ledger(mortal)  # type: ignore[arg-type]
    targets = project.fakes["dev"].values()
    for target in targets:
        target.hook = mortal.instant
    with suppress(KilledError, RolledBackError):
        run(deploy(doomed, Request("dev")))
    for target in targets:
        target.hook = lambda _: None
    return mortal.count


def the_next(project: FakeProject, verb: str) -> Generator[Step, None, object]:
    """The next command, in another process. Killed before the lease there is nothing to resume."""
    other = project.again()
    if verb == "resume" and project.state().active is not None:
        return resume(other)
    return deploy(other, Request("dev"))


def whole(project: FakeProject) -> None:
    state = project.state()
    assert (state.active, state.interrupted) == (None, None)
    numbers = [int(name.partition(".")[0]) for name in project.store.list("log")]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def runs(project: FakeProject) -> list[set[str]]:
    return [{s.release_id for s in t.running.values()} for t in project.fakes["dev"].values()]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIPIT_LEASE_TTL", "0.02")


@pytest.mark.parametrize("verb", ["resume", "deploy"])
def test_fm26_forward(tmp_path: Path, verb: str) -> None:
    moments = killed(story(tmp_path), 10_000)
    assert moments > 30
    for moment in range(1, moments + 1):
        project = story(tmp_path)
        killed(project, moment)
        run(the_next(project, verb))
        whole(project)
        current = project.state().current
        assert current is not None
        assert (current.release_id, runs(project)) == ("b", [{"b"}, {"b"}]), moment
        asked = [k.split()[0] for t in project.fakes["dev"].values() for k in t.tasks]
        assert sorted(asked) == ["migrate", "warm"], moment


@pytest.mark.parametrize("verb", ["resume", "deploy"])
def test_fm26_on_the_way_back(tmp_path: Path, verb: str) -> None:
    def failing() -> FakeProject:
        project = story(tmp_path)
        b = project.ledger.read().releases[0]
        project.target("dev", "us").failures[str(b.digest)] = (Reason("web", "is sick"),)
        return project

    moments = killed(failing(), 10_000)
    assert moments > 30
    for moment in range(1, moments + 1):
        project = failing()
        killed(project, moment)
        if project.state().hold is None:
            fails(the_next(project, verb), RolledBackError)
        whole(project)
        state = project.state()
        assert state.current is not None
        assert state.hold is not None
        assert (state.current.release_id, runs(project)) == ("a", [{"a"}, {"a"}]), moment
