"""A saved plan is applied exactly, or not at all."""

from collections.abc import Iterator

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.image_users import ImageUsers
from shipit.delivery.planning import Planned, plan
from shipit.delivery.request import Request, SavedPlan
from shipit.errors import HeldError, PreconditionError
from shipit.model import codec
from shipit.model.deployment import Action, Desired, Finding
from shipit.policy.verdict import Held
from tests.fakes.project import FakeProject, environment, fails, run
from tests.fakes.target import FakeTarget


@pytest.fixture
def planned(project: FakeProject) -> Planned:
    """From a to b in dev."""
    project.release("a")
    run(deploy(project, Request("dev")))
    project.release("b")
    project.target().calls.clear()
    return plan(project, Request("dev"))


def saved(planned: Planned) -> Request:
    """As it comes back from a file."""
    again = codec.decode(codec.encode(planned.saved), SavedPlan)
    return Request("dev", plan=again)


def test_a_plan_changes_nothing(project: FakeProject, planned: Planned) -> None:
    assert {m for m, _ in project.target().calls} == {"observe", "plan", "preflight"}
    assert len(project.state().recent) == 1
    made = planned.saved
    assert (made.app, made.environment, made.release_id) == ("shop", "dev", "b")
    (change,) = made.plans["default"].changes
    assert (change.service, change.action) == ("web", Action.UPDATE)
    assert all(not isinstance(v, Held) for v in planned.verdicts)


def test_a_held_release_is_planned_all_the_same(project: FakeProject) -> None:
    project.release("a")
    held = [v for v in plan(project, Request("qa", release="a")).verdicts if isinstance(v, Held)]
    assert [v.gate for v in held] == ["verified upstream"]


def test_tasks_are_planned_as_long_as_they_are_due(project: FakeProject) -> None:
    project.release("a", before=("migrate",), after=("warm",))
    due = plan(project, Request("dev"))
    assert (due.before, due.after) == (("migrate",), ("warm",))
    run(deploy(project, Request("dev")))
    done = plan(project, Request("dev"))
    assert (done.before, done.after) == ((), ())


def test_warnings_of_the_target_are_shown(project: FakeProject) -> None:
    project.release("a")
    project.target().warnings = ("an orphan runs here",)
    assert plan(project, Request("dev")).warnings == ("an orphan runs here",)


class Careful(FakeTarget):
    def check_users(self, desired: Desired, read: ImageUsers) -> Iterator[Finding]:
        yield Finding("error", "images", f"{desired.release_id} runs as root", "say another user")


def test_images_that_would_not_be_started_are_a_warning_once(project: FakeProject) -> None:
    """Not refused: what changes pods on their way may give them another user."""
    project.fakes["dev"] = {"eu": Careful(), "us": Careful()}
    project.release("a")
    assert plan(project, Request("dev")).warnings == ("a runs as root: say another user",)


def test_fm32_exactly_what_was_planned(project: FakeProject, planned: Planned) -> None:
    project.release("c")
    assert run(deploy(project, saved(planned))).release_id == "b"


def test_fm32_refused_when_what_runs_changed(project: FakeProject, planned: Planned) -> None:
    project.target().running.clear()
    _, error = fails(deploy(project, saved(planned)), PreconditionError)
    assert error.what == "the plan does not hold any more"
    assert error.why == "target default is not as it was"
    assert error.next_step == "plan again, and look at it"
    assert "apply" not in [m for m, _ in project.target().calls]
    assert project.state().active is None
    assert len(project.state().recent) == 1


def test_fm32_refused_after_another_deployment(project: FakeProject, planned: Planned) -> None:
    run(deploy(project, Request("dev", release="a")))
    _, error = fails(deploy(project, saved(planned)), PreconditionError)
    assert error.why == "another deployment went to dev since"


@pytest.mark.parametrize("targets", [("default", "us"), ("us",)])
def test_fm32_refused_when_targets_came_or_went(
    project: FakeProject, planned: Planned, targets: tuple[str, ...]
) -> None:
    project.fakes["dev"]["us"] = project.target()
    moved = project.again(environment("dev", targets=targets))
    moved.fakes["dev"] = {name: project.target() for name in targets}
    _, error = fails(deploy(moved, saved(planned)), PreconditionError)
    assert "target us is not in both" in error.why


def test_fm32_a_plan_passes_the_gates_too(project: FakeProject) -> None:
    project.release("a")
    made = plan(project, Request("qa", release="a"))
    fails(deploy(project, Request("qa", plan=made.saved)), HeldError)
