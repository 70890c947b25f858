"""Killed, stopped or taken over: one owner at a time, and the work is finished by the next one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.delivery.resume import resume
from shipit.errors import (
    DeploymentFailedError,
    LeasedError,
    PreconditionError,
    RemoteError,
    RolledBackError,
    StaleTokenError,
    SupersededError,
)
from shipit.ledger.actor import this_actor
from shipit.ledger.lease import Heartbeat, Standing, take_over
from shipit.ledger.ledger import Ledger
from shipit.ledger.writer import Decide
from shipit.model.events import (
    Actor,
    Commit,
    DeploymentInterrupted,
    DeploymentStarted,
    Kind,
    StageFinished,
)
from shipit.model.progress import Mark, Reason, Stage
from shipit.model.release import ReleaseSummary
from shipit.model.state import Active
from tests.fakes.project import FakeProject, environment, fails, run, told

SICK = (Reason("web", "is sick"),)


def silent() -> None:
    raise RemoteError("the engine does not answer", temporary=True)


def at(project: FakeProject, where: str, do: Callable[[], object]) -> None:
    """Do it once, when the target comes to that place."""

    def hook(method: str) -> None:
        if method == where:
            project.target().hook = lambda _: None
            do()

    project.target().hook = hook


def lose_lease(project: FakeProject) -> None:
    """Somebody else took the environment over, from another process."""
    other = project.again()
    active = other.ledger.read().environment("dev").active
    assert active is not None
    take_over(other.ledger, "dev", active)


def interrupt(project: FakeProject, where: str) -> Active:
    """A deployment of the default release that ends at that place without an outcome."""
    at(project, where, silent)
    fails(deploy(project, Request("dev")), RemoteError)
    left = project.state().interrupted
    assert left is not None
    project.target().calls.clear()
    return left


def methods(project: FakeProject) -> list[str]:
    return [method for method, _ in project.target().calls]


def running(project: FakeProject) -> set[str]:
    return {s.release_id for s in project.target().running.values()}


def test_two_at_once_one_works_and_the_other_is_told_who(project: FakeProject) -> None:
    project.release("a")
    seen: list[LeasedError] = []

    def second() -> None:
        _, error = fails(deploy(project.again(), Request("dev")), LeasedError)
        seen.append(error)

    at(project, "apply", second)
    result = run(deploy(project, Request("dev")))
    (error,) = seen
    assert error.exit_code == 6
    assert error.what.startswith("dev is leased by ada (")
    assert f"pid {os.getpid()}" in error.what
    assert error.why.startswith(f"deployment {result.token} of a is under way since ")
    assert project.target().calls.count(("apply", "a")) == 1
    assert [r.outcome for r in project.state().recent] == ["succeeded"]


def test_two_that_come_to_the_lease_together(project: FakeProject) -> None:
    """The second saw nobody at work, and is refused when it takes the lease."""
    project.release("a")
    first = deploy(project.again(), Request("dev"))

    def overtake() -> None:
        while next(first).stage is not Stage.LEASE:  # type: ignore[union-attr]
            pass

    at(project, "preflight", overtake)
    _, error = fails(deploy(project, Request("dev")), LeasedError)
    assert error.what.startswith("dev is leased by ada (")
    assert run(first).release_id == "a"


def test_other_environments_are_free(tmp_path: Path) -> None:
    two = FakeProject(tmp_path, environment("dev"), environment("eu"))
    two.release("a")
    at(two, "apply", lambda: run(deploy(two.again(), Request("eu"))))
    run(deploy(two, Request("dev")))
    assert two.state("eu").current is not None


@pytest.mark.parametrize("where", ["run_task", "apply", "apply.end", "follow.end"])
def test_fm26_a_stale_token_records_nothing_more(project: FakeProject, where: str) -> None:
    project.release("a", before=("migrate",))
    at(project, where, lambda: lose_lease(project))
    _, error = fails(deploy(project, Request("dev")), StaleTokenError)
    assert error.exit_code == 5
    assert isinstance(error, SupersededError)
    assert "does not hold dev any more" in error.what
    state = project.state()
    assert (state.current, state.active) == (None, None)
    assert [r.outcome for r in state.recent] == ["interrupted"]
    (last,) = project.ledger.history(first=project.ledger.read().number)
    assert [type(e).__name__ for e in last.events] == ["DeploymentInterrupted"]


def test_fm27_a_stale_token_does_not_reach_the_target(project: FakeProject) -> None:
    project.release("a", before=("migrate",))
    at(project, "run_task.end", lambda: lose_lease(project))
    fails(deploy(project, Request("dev")), StaleTokenError)
    assert "apply" not in methods(project)


def test_fm27_a_stale_token_does_not_reach_the_next_target(tmp_path: Path) -> None:
    two = FakeProject(tmp_path, environment("dev", targets=("eu", "us")))
    two.release("a")

    def lose(method: str) -> None:
        if method == "follow.end":
            lose_lease(two)

    two.target("dev", "eu").hook = lose
    fails(deploy(two, Request("dev")), StaleTokenError)
    assert "apply" not in [m for m, _ in two.target("dev", "us").calls]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_fm26_a_signal_gives_the_lease_back(project: FakeProject, number: signal.Signals) -> None:
    project.release("a")
    before = signal.getsignal(signal.SIGTERM)
    at(project, "follow", lambda: os.kill(os.getpid(), number))
    fails(deploy(project, Request("dev")), KeyboardInterrupt)
    state = project.state()
    assert state.active is None
    assert state.interrupted is not None
    assert state.recent[0].reasons == (Reason("", "ended by KeyboardInterrupt"),)
    assert project.ledger.store.list("heartbeats") == []
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_fm26_a_signal_just_after_the_lease_gives_it_back(
    project: FakeProject, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.release("a")
    commit = project.ledger.commit

    def and_a_signal(decide: Decide) -> Commit | None:
        done = commit(decide)
        monkeypatch.undo()
        os.kill(os.getpid(), number)
        return done

    monkeypatch.setattr(project.ledger, "commit", and_a_signal)
    fails(deploy(project, Request("dev")), KeyboardInterrupt)
    assert project.state().active is None
    assert project.state().interrupted is not None
    assert project.target().calls[-1] == ("preflight", "a")


@pytest.mark.parametrize("stage", [Stage.LEASE, Stage.APPLY])
def test_left_by_its_reader_it_gives_the_lease_back(project: FakeProject, stage: Stage) -> None:
    project.release("a")
    work = deploy(project, Request("dev"))
    while next(work).stage is not stage:  # type: ignore[union-attr]
        pass
    work.close()
    assert project.state().active is None
    assert project.state().interrupted is not None


@pytest.mark.parametrize("where", ["run_task.end", "apply", "apply.end", "follow", "follow.end"])
@pytest.mark.parametrize("verb", ["resume", "deploy"])
def test_the_next_one_finishes(project: FakeProject, where: str, verb: str) -> None:
    a = project.release("a", before=("migrate",))
    left = interrupt(project, where)
    other = project.again()
    if verb == "resume":
        (result,) = run(resume(other))
    else:
        result = run(deploy(other, Request("dev")))
    assert result.release == a.digest
    state = project.state()
    assert state.current is not None
    assert (state.current.release, state.interrupted, state.active) == (a.digest, None, None)
    assert [r.outcome for r in state.recent] == ["succeeded", "interrupted"]
    # Once, or asked for again under the same name, by which a target knows that it ran.
    assert set(project.target().tasks) == {f"migrate {left.token}"}


def test_a_task_that_is_on_record_is_not_asked_for_again(project: FakeProject) -> None:
    project.release("a", before=("first", "second"))
    left = interrupt(project, "apply")
    assert [f.subject for f in left.finished if f.stage is Stage.BEFORE] == ["first", "second", ""]
    said, _ = told(resume(project))
    assert "run_task" not in methods(project)
    skipped = [p.subject for p in said if p.stage is Stage.BEFORE and p.mark is Mark.SKIPPED]
    assert skipped == ["first", "second"]


def test_interrupted_again_and_again_the_task_keeps_its_name(project: FakeProject) -> None:
    project.release("a", before=("migrate",))
    first = interrupt(project, "run_task.end")
    for _ in range(2):
        at(project, "run_task.end", silent)
        fails(resume(project), RemoteError)
    run(resume(project))
    assert set(project.target().tasks) == {f"migrate {first.token}"}


def test_nothing_interrupted_nothing_happens(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    number = project.ledger.read().number
    assert run(resume(project)) == ()
    assert run(resume(project, "dev")) == ()
    assert project.ledger.read().number == number


def test_resume_asks_no_gate_again(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    project.release("b")
    interrupt(project, "apply")
    project.release("c")
    (result,) = run(resume(project, "dev"))
    assert result.release_id == "b"


@pytest.fixture
def way_back(project: FakeProject) -> FakeProject:
    """Release b fails over a; on the way back shipit is gone."""
    project.release("a")
    run(deploy(project, Request("dev")))
    b = project.release("b")
    project.target().failures[str(b.digest)] = SICK
    at(project, "follow.end", lambda: at(project, "apply", silent))
    fails(deploy(project, Request("dev")), RemoteError)
    left = project.state().interrupted
    assert left is not None
    assert left.rolling_back == SICK
    project.target().calls.clear()
    return project


@pytest.mark.parametrize("verb", ["resume", "deploy"])
def test_a_way_back_is_finished_and_is_no_success(way_back: FakeProject, verb: str) -> None:
    again = way_back.again()
    work = resume(again) if verb == "resume" else deploy(again, Request("dev"))
    _, error = fails(work, RolledBackError)
    assert error.exit_code == 4
    assert error.why == "web: is sick"
    state = way_back.state()
    assert state.current is not None
    assert state.current.release_id == "a"
    assert state.hold is not None
    assert [r.outcome for r in state.recent] == ["rolled_back", "interrupted", "succeeded"]
    assert way_back.target().calls.count(("apply", "b")) == 0
    assert running(way_back) == {"a"}
    events = [type(e).__name__ for commit in way_back.ledger.history() for e in commit.events]
    assert events.count("RollbackStarted") == 1


def test_a_way_back_is_finished_before_another_release_may_come(way_back: FakeProject) -> None:
    way_back.release("c")
    fails(deploy(way_back.again(), Request("dev", release="c")), RolledBackError)
    assert [what for m, what in way_back.target().calls if m == "apply"] == ["a"]
    assert running(way_back) == {"a"}


def test_a_way_back_does_not_ask_whether_the_failed_release_could_come(
    way_back: FakeProject,
) -> None:
    def refuse(method: str) -> None:
        if method == "preflight" and way_back.target().calls[-1][1] == "b":
            raise PreconditionError("port 8080 is taken")

    way_back.target().hook = refuse
    fails(resume(way_back), RolledBackError)


def half_done(project: FakeProject, **more: object) -> ReleaseSummary:
    """a is proven, b was interrupted when it had changed something, and c is about to come."""
    project.release("a")
    run(deploy(project, Request("dev")))
    project.release("b")
    interrupt(project, "apply.end")
    assert running(project) == {"b"}
    return project.release("c", **more)


def test_another_release_goes_over_an_interrupted_one(project: FakeProject) -> None:
    c = half_done(project)
    assert run(deploy(project, Request("dev"))).release == c.digest
    state = project.state()
    assert state.current is not None
    assert state.previous is not None
    assert (state.current.release_id, state.previous.release_id) == ("c", "a")
    assert state.interrupted is None
    assert running(project) == {"c"}


def test_one_that_fails_over_an_interrupted_one_goes_back_to_what_was_proven(
    project: FakeProject,
) -> None:
    c = half_done(project)
    project.target().failures[str(c.digest)] = SICK
    fails(deploy(project, Request("dev")), RolledBackError)
    assert running(project) == {"a"}


def test_a_task_that_fails_over_an_interrupted_one_goes_back_too(project: FakeProject) -> None:
    half_done(project, before=("migrate",))
    project.target().broken_tasks["migrate"] = (Reason("migrate", "ended with exit code 1"),)
    fails(deploy(project, Request("dev")), RolledBackError)
    assert running(project) == {"a"}


def test_a_refusal_over_an_interrupted_one_goes_back_too(project: FakeProject) -> None:
    half_done(project)
    project.target().errors["apply"] = PreconditionError("it has changed since it was planned")
    fails(deploy(project, Request("dev")), RolledBackError)
    assert running(project) == {"a"}


def test_what_was_left_behind_is_known_after_another_interruption(project: FakeProject) -> None:
    half_done(project, before=("migrate",))
    interrupt(project, "run_task")
    project.target().broken_tasks["migrate"] = (Reason("migrate", "ended with exit code 1"),)
    fails(resume(project), RolledBackError)
    assert running(project) == {"a"}


def test_a_task_that_fails_in_the_second_try_has_changed_nothing(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    project.release("b", before=("migrate",))
    interrupt(project, "run_task")
    project.target().broken_tasks["migrate"] = (Reason("migrate", "ended with exit code 1"),)
    fails(resume(project), DeploymentFailedError)
    assert "apply" not in methods(project)
    assert project.state().hold is None


def dead() -> Actor:
    """Who was a process of this machine, and is no more."""
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    here = this_actor()
    machine = here.process.rpartition(":")[0]
    ended.wait()
    return Actor("bea", here.host, ended.pid, f"{machine}:1")


def leased_by(project: FakeProject, owner: Actor, release: ReleaseSummary, ttl: float) -> int:
    started = DeploymentStarted(
        environment="dev", release=release.digest, release_id=release.id, ttl=ttl
    )
    commit = project.ledger.commit(lambda _: [started], by=owner)
    assert commit is not None
    return commit.number


def test_fm26_an_owner_who_is_gone_is_taken_over_at_once(project: FakeProject) -> None:
    a = project.release("a")
    token = leased_by(project, dead(), a, ttl=3600)
    said, results = told(resume(project))
    assert [r.release_id for r in results] == ["a"]
    over = [p.message for p in said if p.stage is Stage.LEASE]
    assert over[0] == "looking for a sign of life from bea"
    assert over[1].startswith("took over from bea (")
    assert [r.outcome for r in project.state().recent] == ["succeeded", "interrupted"]
    (taken,) = project.ledger.history(first=token + 1, last=token + 1)
    assert taken.by.name == "ada"


def test_fm26_an_owner_elsewhere_is_taken_over_after_a_ttl_without_a_sign(
    project: FakeProject,
) -> None:
    a = project.release("a")
    leased_by(project, Actor("bea", "elsewhere", 1), a, ttl=0.1)
    assert run(deploy(project, Request("dev"))).release == a.digest


def test_an_owner_who_ended_meanwhile_is_not_said_to_be_gone(
    project: FakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = project.release("a")
    token = leased_by(project, dead(), a, ttl=3600)

    def ends_first(ledger: Ledger, active: Active) -> Standing:
        ended = DeploymentInterrupted(environment="dev", token=token, why="SIGTERM")
        ledger.commit(lambda _: [ended], by=active.owner)
        return Standing.GONE

    monkeypatch.setattr("shipit.ledger.lease.watch", ends_first)
    said, _ = told(deploy(project, Request("dev")))
    over = [p.message for p in said if p.stage is Stage.LEASE]
    assert over[1].startswith("bea (")
    assert over[1].endswith(") is done")


def test_fm27_an_owner_elsewhere_who_lives_is_left_alone(project: FakeProject) -> None:
    a = project.release("a")
    bea = Actor("bea", "elsewhere", 1)
    token = leased_by(project, bea, a, ttl=3.0)
    with Heartbeat(project.again().ledger, "dev", token, ttl=0.3, by=bea):
        for work in (deploy(project, Request("dev")), resume(project)):
            _, error = fails(work, LeasedError)
            assert error.what == "dev is leased by bea (elsewhere pid 1)"
    active = project.state().active
    assert active is not None
    assert active.token == token


def test_of_two_who_take_over_one_wins(project: FakeProject) -> None:
    a = project.release("a")
    token = leased_by(project, Actor("bea", "elsewhere", 1), a, ttl=0.1)
    active = project.state().active
    assert active is not None
    assert take_over(project.ledger, "dev", active) is not None
    assert take_over(project.again().ledger, "dev", active) is None
    late = StageFinished(environment="dev", token=token, stage=Stage.APPLY)
    with pytest.raises(StaleTokenError):
        project.say(late)


def test_two_that_resume_at_once_take_it_up_once(project: FakeProject) -> None:
    project.release("a", before=("migrate",))
    left = interrupt(project, "run_task.end")
    at(project, "preflight", lambda: run(resume(project.again())))
    _, error = fails(resume(project), PreconditionError)
    assert error.what == f"deployment {left.token} of a has been taken up by somebody else"
    assert [r.outcome for r in project.state().recent] == ["succeeded", "interrupted"]
    assert set(project.target().tasks) == {f"migrate {left.token}"}
    assert project.state().active is None


@pytest.mark.parametrize(
    ("first", "second"), [(Kind.PROMOTE, Kind.DEPLOY), (Kind.DEPLOY, Kind.PROMOTE)]
)
def test_deploy_and_promote_take_each_other_up(
    project: FakeProject, first: Kind, second: Kind
) -> None:
    project.release("a", before=("migrate",))
    at(project, "apply", silent)
    fails(deploy(project, Request("dev", kind=first)), RemoteError)
    left = project.state().interrupted
    assert left is not None
    run(deploy(project, Request("dev", kind=second)))
    assert set(project.target().tasks) == {f"migrate {left.token}"}


def test_a_refusal_of_what_a_task_needs_over_an_interrupted_one_goes_back_too(
    project: FakeProject,
) -> None:
    half_done(project, services=("web", "db"), before=("migrate",), needs={"migrate": ["db"]})
    project.target().errors["apply"] = PreconditionError("an image cannot be pulled")
    fails(deploy(project, Request("dev")), RolledBackError)
    assert running(project) == {"a"}
