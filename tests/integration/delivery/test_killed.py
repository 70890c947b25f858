"""Killed at any instant: the next command finishes the work, and nothing is done twice."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from shipit.model.progress import Reason
from tests.fakes.small_app import SmallApp

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]

# The moments of a deployment of b over a, and of a failing one on its way back. What a run says is
# compared with these, so that no moment is left out and none is killed that never comes.
FORWARD = (
    "gates done",
    "lease done",
    "before running mark",
    "before done mark",
    "apply running",
    "apply done",
    "follow running web",
    "follow done web",
    "prove done",
    "record done",
)
FAILING = (*FORWARD[:7], "follow failed web", "prove failed web")
BACK = (
    "rollback running",
    "rollback done",
    "rollback running web",
    "rollback done web",
    "rollback done",
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallApp]:
    """Release a runs in dev; that moment is kept."""
    made = SmallApp(tmp_path_factory.mktemp("killed"))
    try:
        made.build("a")
        made.build("sick", healthy=False)
        made.build("b")
        made.build("c")
        made.git("checkout", "-q", made.commits["b"])
        done = made.shipit("deploy", "--env", "dev", "--release", made.releases["a"])
        assert done.returncode == 0, done.stderr
        made.keep()
        yield made
    finally:
        made.clean()


@pytest.fixture
def back(app: SmallApp) -> SmallApp:
    """The app as it was kept, whatever the test before has left."""
    app.restore()
    if list(app.web().values()) != ["a"]:
        done = app.shipit("deploy", "--env", "dev", "--release", app.releases["a"])
        assert done.returncode == 0, done.stderr
        app.restore()
    return app


def proven(app: SmallApp, version: str, *, outcomes: list[str]) -> None:
    """The record is whole, nobody is at work, and this version runs."""
    state = app.state()
    assert state.current is not None
    assert state.current.release_id == app.releases[version]
    assert (state.active, state.interrupted) == (None, None)
    assert [r.outcome for r in state.recent][: len(outcomes)] == outcomes
    log = app.log()
    assert log == list(range(log[0], log[0] + len(log)))
    if "interrupted" in outcomes:  # a sign of life that came after the record is nobody's
        assert list((app.ledger / "heartbeats").glob("[!.]*")) == []  # but for a half-written one
    assert list(app.web().values()) == [version]


def test_a_deployment_has_these_moments(back: SmallApp) -> None:
    done = back.killed("b", 0)
    assert done.returncode == 0, done.stderr
    assert tuple(done.stdout.splitlines()) == FORWARD
    proven(back, "b", outcomes=["succeeded", "succeeded"])


@pytest.mark.parametrize("moment", range(1, len(FORWARD) + 1), ids=lambda k: FORWARD[k - 1])
def test_fm26_killed_at_any_moment_the_next_command_finishes(back: SmallApp, moment: int) -> None:
    assert back.killed("b", moment).returncode == -signal.SIGKILL
    there = {one for one, version in back.web().items() if version == "b"}
    done = back.shipit(*(("deploy", "--env", "dev") if moment % 2 else ("resume",)))
    assert done.returncode == 0, done.stderr
    # Before the lease there is nothing to take up, and nothing after the record.
    leased = 1 < moment < len(FORWARD)
    expected = ["succeeded", *(["interrupted"] if leased else []), "succeeded"]
    proven(back, "b", outcomes=expected)
    assert back.ran() == ["b"]
    assert there <= set(back.web())


def test_a_failing_deployment_has_these_moments(back: SmallApp) -> None:
    done = back.killed("sick", 0)
    assert done.returncode == 4, done.stderr
    assert tuple(done.stdout.splitlines()) == FAILING + BACK
    proven(back, "a", outcomes=["rolled_back", "succeeded"])


@pytest.mark.parametrize("moment", range(1, len(BACK) + 1), ids=lambda k: f"{k} {BACK[k - 1]}")
def test_fm26_killed_on_the_way_back_the_next_command_is_back(back: SmallApp, moment: int) -> None:
    assert back.killed("sick", len(FAILING) + moment).returncode == -signal.SIGKILL
    there = {one for one, version in back.web().items() if version == "a"}
    done = back.shipit(*(("deploy", "--env", "dev") if moment % 2 else ("resume",)))
    assert done.returncode == 4, done.stderr
    proven(back, "a", outcomes=["rolled_back", "interrupted", "succeeded"])
    hold = back.state().hold
    assert hold is not None
    assert hold.reason.startswith(f"{back.releases['sick']} was rolled back: web: ")
    assert back.ran() == ["sick"]
    assert there <= set(back.web())


@pytest.mark.parametrize("moment", ["before done mark", "follow running web"])
def test_another_release_after_a_killed_one(back: SmallApp, moment: str) -> None:
    assert back.killed("b", FORWARD.index(moment) + 1).returncode == -signal.SIGKILL
    done = back.shipit("deploy", "--env", "dev", "--release", back.releases["c"])
    assert done.returncode == 0, done.stderr
    proven(back, "c", outcomes=["succeeded", "interrupted", "succeeded"])
    previous = back.state().previous
    assert previous is not None
    assert previous.release_id == back.releases["a"]
    assert back.ran() == ["b", "c"]


def wait_for(
    true: Callable[[], object], process: subprocess.Popen[str], within: float = 60
) -> None:
    limit = time.monotonic() + within
    while not true():
        assert process.poll() is None, "it ended before its time"
        assert time.monotonic() < limit, "it did not come true in time"
        time.sleep(0.01)


def started(app: SmallApp, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        app.argv(*words),
        cwd=app.root,
        env=app.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_fm26_sigterm_gives_the_lease_back_by_itself(back: SmallApp) -> None:
    process = started(back, "deploy", "--env", "dev")
    wait_for(lambda: back.state().active, process)
    owner = process.pid
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 130
    state = back.state()
    assert state.active is None
    (record, *_) = state.recent
    assert (record.outcome, record.by.pid) == ("interrupted", owner)
    assert record.reasons == (Reason("", "ended by KeyboardInterrupt"),)
    last = json.loads((back.ledger / "log" / f"{back.log()[-1]:012d}.json").read_bytes())
    assert last["by"]["pid"] == owner, "its own commit, and not a take-over"
    assert back.shipit("resume").returncode == 0
    proven(back, "b", outcomes=["succeeded", "interrupted", "succeeded"])
    assert back.ran() == ["b"]


def test_killed_in_a_build_the_next_build_makes_the_release(back: SmallApp) -> None:
    back.commit("d", dockerfile='RUN ["/bin/busybox", "sleep", "2"]\n')
    try:
        process = started(back, "build", "--json")
        assert process.stdout is not None
        for line in process.stdout:
            if "sleep" in line:
                break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL
        commit = back.commits["d"]
        assert commit[:7] not in back.shipit("releases", "--json").stdout
        done = back.shipit("build", "--json")
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout.splitlines()[-1])
        assert (result["release"]["id"], result["reused"]) == (commit[:7], False)
        again = json.loads(back.shipit("build", "--json").stdout.splitlines()[-1])
        assert again["reused"]
    finally:
        back.git("checkout", "-q", "-f", back.commits["b"])
