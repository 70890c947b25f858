"""Success is proven: what the target says is checked against the digest that was asked for."""

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.errors import DeploymentFailedError, RolledBackError, SupersededError
from shipit.model.digest import Digest
from shipit.model.progress import Outcome, Progress, Reason, RolledBack, Succeeded, Superseded
from shipit.model.release import ReleaseSummary
from tests.fakes.project import FakeProject, fails, run

OTHER = Digest.of(b"another image")


@pytest.fixture
def b(project: FakeProject) -> ReleaseSummary:
    """The next release, over a proven one."""
    project.release("a", services=("web", "worker"))
    run(deploy(project, Request("dev")))
    return project.release("b", services=("web", "worker"))


def rolled_back(project: FakeProject, b: ReleaseSummary, end: Outcome) -> RolledBackError:
    project.target().outcomes[str(b.digest)] = end
    _, error = fails(deploy(project, Request("dev")), RolledBackError)
    state = project.state()
    assert state.current is not None
    assert state.current.release_id == "a"
    assert str(b.digest) not in state.proven
    assert {s.release_id for s in project.target().running.values()} == {"a"}
    return error


def test_fm1_a_platform_that_rolled_back_by_itself_is_no_success(
    project: FakeProject, b: ReleaseSummary
) -> None:
    reason = Reason("web", "the circuit breaker rolled it back")
    error = rolled_back(project, b, RolledBack((reason,)))
    assert error.why == "web: the circuit breaker rolled it back"


def test_fm1_stable_on_the_old_digest_is_not_proven(
    project: FakeProject, b: ReleaseSummary
) -> None:
    a = project.ledger.read().releases[1]
    error = rolled_back(project, b, Succeeded({**b.images, "web": a.images["web"]}))
    old, new = a.images["web"].short, b.images["web"].short
    assert error.why == f"web: runs {old}, not {new}"


def test_fm15_success_without_the_digest_is_not_proven(
    project: FakeProject, b: ReleaseSummary
) -> None:
    error = rolled_back(project, b, Succeeded({"web": OTHER, "worker": OTHER}))
    assert [line.split(":")[0] for line in error.why.splitlines()] == ["web", "worker"]


def test_fm16_a_service_that_nobody_saw_is_not_proven(
    project: FakeProject, b: ReleaseSummary
) -> None:
    error = rolled_back(project, b, Succeeded({"web": b.images["web"]}))
    assert error.why == f"worker: runs nothing known, not {b.images['worker'].short}"


def test_fm16_nothing_seen_at_all_is_not_proven(project: FakeProject, b: ReleaseSummary) -> None:
    error = rolled_back(project, b, Succeeded({}))
    assert len(error.why.splitlines()) == 2


def test_fm16_a_target_without_an_outcome_is_not_proven(
    project: FakeProject, b: ReleaseSummary
) -> None:
    silent = Progress("follow", "info")  # type: ignore[arg-type]
    error = rolled_back(project, b, silent)  # type: ignore[arg-type]
    assert error.why == "the target gave no outcome: unknown is not success"


def test_fm17_a_success_of_an_earlier_update_does_not_count(
    project: FakeProject, b: ReleaseSummary
) -> None:
    a = project.ledger.read().releases[1]
    rolled_back(project, b, Succeeded(dict(a.images)))


def test_fm1_a_first_deployment_is_checked_as_well(project: FakeProject) -> None:
    project.release("a")
    project.target().outcomes[""] = Succeeded({"web": OTHER})
    fails(deploy(project, Request("dev")), DeploymentFailedError)
    assert project.state().current is None


def test_fm2_superseded_is_an_end_of_its_own(project: FakeProject, b: ReleaseSummary) -> None:
    project.target().outcomes[str(b.digest)] = Superseded("ecs-svc/42")
    project.target().calls.clear()
    _, error = fails(deploy(project, Request("dev")), SupersededError)
    assert error.exit_code == 5
    assert error.what == "b was superseded in dev by ecs-svc/42"
    state = project.state()
    assert (state.active, state.hold) == (None, None)
    assert state.recent[0].outcome == "superseded"
    assert str(b.digest) not in state.proven
    assert [m for m, _ in project.target().calls].count("apply") == 1


def test_fm2_superseded_on_the_way_back(project: FakeProject, b: ReleaseSummary) -> None:
    a = project.ledger.read().releases[1]
    project.target().failures[str(b.digest)] = (Reason("web", "is sick"),)
    project.target().outcomes[str(a.digest)] = Superseded("ecs-svc/42")
    _, error = fails(deploy(project, Request("dev")), SupersededError)
    assert error.exit_code == 5
    assert project.state().recent[0].outcome == "superseded"
