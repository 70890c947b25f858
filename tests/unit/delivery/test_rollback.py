"""Back to what was proven, on purpose, and held there."""

import pytest

from shipit.delivery import people
from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.delivery.resume import resume
from shipit.delivery.rollback import rollback
from shipit.errors import (
    DeploymentFailedError,
    HeldError,
    RemoteError,
    RolledBackError,
    UnknownNameError,
    UsageError,
)
from shipit.model.deployment import Plan, Rollout
from shipit.model.events import Kind
from shipit.model.progress import Reason, Stage
from tests.fakes.project import FakeProject, fails, run, told


@pytest.fixture
def three(project: FakeProject) -> FakeProject:
    """Releases a, b and c ran in dev, one after the other."""
    for name in ("a", "b", "c"):
        project.release(name, before=("migrate",))
        run(deploy(project, Request("dev")))
    project.target().calls.clear()
    return project


def test_back_to_the_one_before_and_held(three: FakeProject) -> None:
    said, result = told(rollback(three, "dev", reason="the totals are wrong"))
    assert (result.release_id, result.kind) == ("b", Kind.ROLLBACK)
    state = three.state()
    assert state.current is not None
    assert state.hold is not None
    assert (state.current.release_id, state.hold.reason) == ("b", "the totals are wrong")
    assert (state.recent[0].kind, state.recent[0].outcome) == (Kind.ROLLBACK, "succeeded")
    assert "run_task" not in [m for m, _ in three.target().calls]
    assert Stage.GATES not in [p.stage for p in said]


def test_06_the_target_knows_that_it_goes_back(
    three: FakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What rings is why somebody goes back, and never keeps a target from it."""
    target, asked = three.target(), list[bool]()
    apply = target.apply

    def noted(plan: Plan) -> Rollout:
        asked.append(plan.desired.back)
        return apply(plan)

    monkeypatch.setattr(target, "apply", noted)
    target.failures[str(three.release("d").digest)] = (Reason("web", "its alarm rings"),)
    fails(deploy(three, Request("dev")), RolledBackError)
    assert asked == [False, True]
    run(rollback(three, "dev"))
    assert asked == [False, True, True]


def test_the_hold_comes_with_the_start(three: FakeProject) -> None:
    three.target().errors["apply"] = RemoteError("the engine does not answer")
    fails(rollback(three, "dev"), RemoteError)
    state = three.state()
    assert state.hold is not None
    assert state.hold.reason == "rolled back to b"
    assert state.interrupted is not None
    (result,) = run(resume(three))
    assert (result.release_id, result.kind) == ("b", Kind.ROLLBACK)
    (first,) = [c for c in three.ledger.history() if c.number == state.interrupted.token]
    assert [type(e).__name__ for e in first.events] == ["DeploymentStarted", "HoldSet"]


def test_a_deploy_finishes_an_interrupted_rollback_and_is_held(three: FakeProject) -> None:
    three.target().errors["apply"] = RemoteError("the engine does not answer")
    fails(rollback(three, "dev"), RemoteError)
    _, error = fails(deploy(three, Request("dev", release="c")), HeldError)
    assert "dev is held by ada" in error.what
    state = three.state()
    assert state.current is not None
    assert (state.current.release_id, state.interrupted) == ("b", None)


def test_to_a_release_that_ran_here(three: FakeProject) -> None:
    assert run(rollback(three, "dev", to="a")).release_id == "a"
    _, error = fails(rollback(three, "dev"), UsageError)
    assert error.what == "nothing ran in dev before what runs now"


def test_back_and_back_again(three: FakeProject) -> None:
    """Never to the release that was left."""
    assert run(rollback(three, "dev")).release_id == "b"
    assert run(rollback(three, "dev")).release_id == "a"
    _, error = fails(rollback(three, "dev"), UsageError)
    assert error.what == "nothing ran in dev before what runs now"


def test_to_one_that_was_left_twice(three: FakeProject) -> None:
    run(rollback(three, "dev"))
    run(rollback(three, "dev"))
    result = run(rollback(three, "dev", to="c"))
    assert result.release_id == "c"


def test_to_one_that_never_ran_here(three: FakeProject) -> None:
    three.release("d")
    number = three.ledger.read().number
    _, error = fails(rollback(three, "dev", to="d"), UsageError)
    assert error.exit_code == 2
    assert error.what == "d never ran in dev"
    assert error.next_step == "`shipit history --env dev` shows what was"
    assert three.ledger.read().number == number
    assert three.target().calls == []


def test_to_one_that_does_not_exist(three: FakeProject) -> None:
    fails(rollback(three, "dev", to="zzzz"), UnknownNameError)


def test_with_nothing_before(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    _, error = fails(rollback(project, "dev"), UsageError)
    assert error.exit_code == 2
    assert project.state().hold is None


def test_a_failed_deployment_is_not_what_ran_before(three: FakeProject) -> None:
    d = three.release("d")
    three.target().failures[str(d.digest)] = (Reason("web", "is sick"),)
    fails(deploy(three, Request("dev")), Exception)
    assert run(rollback(three, "dev")).release_id == "b"


def test_a_rollback_that_fails_stays_as_it_is(three: FakeProject) -> None:
    three.target().failures[""] = (Reason("web", "is sick"),)
    three.target().calls.clear()
    _, error = fails(rollback(three, "dev"), DeploymentFailedError)
    assert error.exit_code == 1
    assert "no other release to go back to by itself" in error.what
    assert [m for m, _ in three.target().calls].count("apply") == 1
    state = three.state()
    assert state.current is not None
    assert (state.current.release_id, state.current.healthy) == ("c", False)


def test_what_was_left_is_not_verified_upstream_any_more(three: FakeProject) -> None:
    run(rollback(three, "dev"))
    _, error = fails(deploy(three, Request("qa", release="c")), HeldError)
    assert error.what == "c may not enter qa: c has not succeeded in dev"
    assert run(deploy(three, Request("qa"))).release_id == "b"


def test_after_the_hold_is_lifted_the_newer_one_may_come_again(three: FakeProject) -> None:
    run(rollback(three, "dev"))
    fails(deploy(three, Request("dev", release="c")), HeldError)
    assert people.unfreeze(three, "dev", "mended") == ("dev",)
    assert run(deploy(three, Request("dev", release="c"))).release_id == "c"
    assert run(deploy(three, Request("qa", release="c"))).release_id == "c"
