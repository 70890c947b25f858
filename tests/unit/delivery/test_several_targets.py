"""An environment in several places is one: all of it is proven, or none of it stays."""

from pathlib import Path

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.errors import DeploymentFailedError, PreconditionError, RolledBackError
from shipit.model.progress import Reason
from tests.fakes.project import FakeProject, environment, fails, run, told
from tests.fakes.target import FakeTarget


@pytest.fixture
def two(tmp_path: Path) -> FakeProject:
    return FakeProject(tmp_path, environment("dev", targets=("eu", "us")))


def place(two: FakeProject, name: str) -> FakeTarget:
    return two.target("dev", name)


def releases(two: FakeProject) -> list[set[str]]:
    return [{s.release_id for s in place(two, n).running.values()} for n in ("eu", "us")]


def test_one_after_the_other_and_each_is_proven(two: FakeProject) -> None:
    a = two.release("a")
    said, result = told(deploy(two, Request("dev")))
    assert result.proven == {"eu": a.images, "us": a.images}
    assert [p.target for p in said if p.stage == "prove"] == ["eu", "us"]


def test_the_second_fails_and_the_first_goes_back_too(two: FakeProject) -> None:
    two.release("a")
    run(deploy(two, Request("dev")))
    b = two.release("b")
    place(two, "us").failures[str(b.digest)] = (Reason("web", "is sick"),)
    fails(deploy(two, Request("dev")), RolledBackError)
    assert releases(two) == [{"a"}, {"a"}]
    assert [what for m, what in place(two, "eu").calls if m == "apply"] == ["a", "b", "a"]


def test_the_first_fails_and_the_second_is_left_alone(two: FakeProject) -> None:
    two.release("a")
    run(deploy(two, Request("dev")))
    before = dict(place(two, "us").running)
    b = two.release("b")
    place(two, "eu").failures[str(b.digest)] = (Reason("web", "is sick"),)
    fails(deploy(two, Request("dev")), RolledBackError)
    assert [what for m, what in place(two, "us").calls if m == "apply" and what == "b"] == []
    assert place(two, "us").running == before


def test_the_second_refuses_and_the_first_goes_back(two: FakeProject) -> None:
    two.release("a")
    run(deploy(two, Request("dev")))
    two.release("b")
    place(two, "us").errors["apply"] = PreconditionError("it has changed since it was planned")
    _, error = fails(deploy(two, Request("dev")), RolledBackError)
    assert error.why == "us: it has changed since it was planned"
    assert releases(two) == [{"a"}, {"a"}]


def test_a_first_deployment_that_fails_leaves_nothing_anywhere(two: FakeProject) -> None:
    two.release("a")
    place(two, "us").failures[""] = (Reason("web", "is sick"),)
    fails(deploy(two, Request("dev")), DeploymentFailedError)
    assert releases(two) == [set(), set()]


def test_one_that_cannot_be_reached_stops_it_before_anything(two: FakeProject) -> None:
    two.release("a")
    place(two, "us").errors["observe"] = PreconditionError("no engine answers")
    fails(deploy(two, Request("dev")), PreconditionError)
    assert "apply" not in [m for m, _ in place(two, "eu").calls]
    assert two.state().recent == ()


def test_tasks_run_in_one_place(two: FakeProject) -> None:
    two.release("a", before=("migrate",))
    run(deploy(two, Request("dev")))
    assert [len(place(two, n).tasks) for n in ("eu", "us")] == [1, 0]
