"""Not proven: the environment goes back to what it had, and the record says so."""

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.errors import (
    DeploymentFailedError,
    PreconditionError,
    RemoteError,
    RolledBackError,
    ShipitError,
)
from shipit.model.progress import Mark, Reason, Stage
from shipit.model.release import ReleaseSummary
from tests.fakes.project import HOME, FakeProject, environment, fails, run
from tests.fakes.site import Site

SICK = (Reason("web", "its health check fails: 503", ("no database",)),)


def over(project: FakeProject, **more: object) -> ReleaseSummary:
    """Release a is proven in dev, and b is about to come."""
    project.release("a", **more)
    run(deploy(project, Request("dev")))
    return project.release("b", **more)


def outcome(project: FakeProject, environment: str = "dev") -> str:
    state = project.state(environment)
    assert state.active is None
    assert state.interrupted is None
    return state.recent[0].outcome


def current(project: FakeProject, environment: str = "dev") -> str:
    found = project.state(environment).current
    return found.release_id if found else ""


def running(project: FakeProject, environment: str = "dev", target: str = "default") -> set[str]:
    """The releases whose containers run."""
    return {s.release_id for s in project.target(environment, target).running.values()}


def test_fm4_a_failed_first_deployment_takes_away_what_came(project: FakeProject) -> None:
    project.release("a")
    project.target().failures[""] = SICK
    said, error = fails(deploy(project, Request("dev")), DeploymentFailedError)
    assert error.exit_code == 1
    assert error.what == "a failed in dev; nothing ran there before, so what came was removed"
    assert error.why == "web: its health check fails: 503"
    assert project.target().calls[-1] == ("remove", "")
    assert running(project) == set()
    assert (outcome(project), current(project), project.state().hold) == ("failed", "", None)
    assert project.state().proven == {}
    assert [p.message for p in said if p.stage is Stage.ROLLBACK] == [
        "removing what came",
        "nothing ran here before",
    ]


def test_fm36_the_reason_comes_with_the_last_lines(project: FakeProject) -> None:
    project.release("a")
    project.target().failures[""] = SICK
    said, _ = fails(deploy(project, Request("dev")), DeploymentFailedError)
    (failed,) = (p for p in said if p.stage is Stage.PROVE and p.mark is Mark.FAILED)
    assert (failed.subject, failed.logs) == ("web", ("no database",))
    assert project.state().recent[0].reasons == SICK


def test_fm4_what_came_cannot_be_taken_away(project: FakeProject) -> None:
    project.release("a")
    project.target().failures[""] = SICK
    project.target().errors["remove"] = PreconditionError("no Docker engine answers")
    _, error = fails(deploy(project, Request("dev")), DeploymentFailedError)
    assert error.what == "a failed in dev; removing what came failed too"
    assert "no Docker engine answers" in error.why
    assert (outcome(project), project.state().hold) == ("failed", None)


def test_fm12_a_later_failure_goes_back_to_the_whole_state_before(project: FakeProject) -> None:
    a = project.release("a", services=("web", "cache"), settings={"LEVEL": "info"})
    run(deploy(project, Request("dev")))
    before = dict(project.target().running)
    b = project.release("b", services=("web", "queue"), settings={"LEVEL": "debug"})
    project.target().failures[str(b.digest)] = SICK
    said, error = fails(deploy(project, Request("dev")), RolledBackError)
    assert error.exit_code == 4
    assert error.what == "b failed in dev, which is back on a"
    assert error.next_step == "dev is held; when it is mended: `shipit unfreeze dev`"
    assert project.target().running == before
    state = project.state()
    assert state.current is not None
    assert (state.current.release, state.current.healthy) == (a.digest, True)
    assert outcome(project) == "rolled_back"
    assert state.hold is not None
    assert state.hold.reason == "b was rolled back: web: its health check fails: 503"
    assert list(state.proven) == [str(a.digest)]
    back = [p.mark for p in said if p.stage is Stage.ROLLBACK]
    assert back[0] is Mark.RUNNING
    assert back[-1] is Mark.DONE


def test_going_back_runs_no_task(project: FakeProject) -> None:
    b = over(project, before=("migrate",))
    project.target().failures[str(b.digest)] = SICK
    project.target().calls.clear()
    fails(deploy(project, Request("dev")), RolledBackError)
    assert [what.split()[0] for method, what in project.target().calls if method == "run_task"] == [
        "migrate"
    ]
    assert len(project.target().tasks) == 2


def test_a_way_back_that_fails_too(project: FakeProject) -> None:
    over(project)
    project.target().failures[""] = SICK
    _, error = fails(deploy(project, Request("dev")), DeploymentFailedError)
    assert error.exit_code == 1
    assert error.what == "b failed in dev; going back to a failed too"
    assert outcome(project) == "failed"
    state = project.state()
    assert state.current is not None
    assert not state.current.healthy
    assert state.hold is not None


def test_a_way_back_that_is_refused(project: FakeProject) -> None:
    b = over(project)
    project.target().failures[str(b.digest)] = SICK

    def refuse(method: str) -> None:
        if method == "follow.end":
            project.target().errors["observe"] = PreconditionError("no engine answers")

    project.target().hook = refuse
    _, error = fails(deploy(project, Request("dev")), DeploymentFailedError)
    assert error.what == "b failed in dev; going back to a failed too"
    assert error.why.splitlines()[-1] == "no engine answers"
    assert outcome(project) == "failed"


def test_the_same_release_that_fails_has_no_other_to_go_back_to(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    project.target().failures[""] = SICK
    _, error = fails(deploy(project, Request("dev")), DeploymentFailedError)
    assert "no other release to go back to" in error.what
    state = project.state()
    assert state.current is not None
    assert not state.current.healthy
    assert state.hold is not None


def test_a_failing_before_task_changes_nothing(project: FakeProject) -> None:
    over(project, before=("migrate",))
    project.target().broken_tasks["migrate"] = (
        Reason("migrate", "ended with exit code 1", ("no such table",)),
    )
    project.target().calls.clear()
    said, error = fails(deploy(project, Request("dev")), DeploymentFailedError)
    assert error.exit_code == 1
    assert error.what == "b did not enter dev: migrate: ended with exit code 1"
    assert error.why == "a task that runs before failed, and nothing has changed"
    assert {"apply", "remove"}.isdisjoint(m for m, _ in project.target().calls)
    state = project.state()
    assert (outcome(project), current(project), state.hold) == ("failed", "a", None)
    assert state.current is not None
    assert state.current.healthy
    assert said[-1].logs == ("no such table",)


def test_an_after_task_that_fails_rolls_back(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    project.release("b", after=("warm",))
    project.target().broken_tasks["warm"] = (Reason("warm", "ended with exit code 1"),)
    fails(deploy(project, Request("dev")), RolledBackError)
    assert (outcome(project), current(project), running(project)) == ("rolled_back", "a", {"a"})


def test_an_after_task_that_cannot_start_rolls_back(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    project.release("b", after=("warm",))
    project.target().errors["run_task"] = PreconditionError("its image cannot be pulled")
    _, error = fails(deploy(project, Request("dev")), RolledBackError)
    assert error.why == "its image cannot be pulled"
    assert (current(project), running(project)) == ("a", {"a"})


def test_a_refusal_while_following_rolls_back(project: FakeProject) -> None:
    over(project)
    project.target().errors["follow"] = PreconditionError("no Docker engine answers")
    _, error = fails(deploy(project, Request("dev")), RolledBackError)
    assert error.why == "no Docker engine answers"
    assert (outcome(project), running(project)) == ("rolled_back", {"a"})


def test_a_refusal_to_apply_changes_nothing(project: FakeProject) -> None:
    over(project)
    project.target().errors["apply"] = PreconditionError("it has changed since it was planned")
    _, error = fails(deploy(project, Request("dev")), PreconditionError)
    assert error.exit_code == 2
    state = project.state()
    assert (outcome(project), current(project), state.hold) == ("failed", "a", None)
    assert state.current is not None
    assert state.current.healthy


def test_a_probe_that_fails_rolls_back(project: FakeProject, site: Site) -> None:
    probed = FakeProject(project.root, environment("dev", verify=[site.check()]))
    over(probed)
    site.status = 503
    said, error = fails(deploy(probed, Request("dev")), RolledBackError)
    address = site.check().http
    assert error.why == f"{address}: answered 503, not 200 (for 300ms)"
    assert (outcome(probed), current(probed), running(probed)) == ("rolled_back", "a", {"a"})
    (record, *_) = probed.state().recent
    assert record.reasons[0].subject == address
    assert (Stage.VERIFY, Mark.RUNNING) in [(p.stage, p.mark) for p in said]


@pytest.mark.parametrize(
    ("more", "body", "trouble"),
    [
        ({"contains": "hello"}, "hello, world", ""),
        ({"contains": "hello"}, "goodbye", "answered without 'hello' in its body"),
        ({"status": 404}, "hello", "answered 200, not 404"),
    ],
)
def test_what_a_probe_looks_at(
    project: FakeProject, site: Site, more: dict[str, object], body: str, trouble: str
) -> None:
    probed = FakeProject(project.root, environment("dev", verify=[site.check(**more)]))
    probed.release("a")
    site.body = body
    if trouble:
        _, error = fails(deploy(probed, Request("dev")), DeploymentFailedError)
        assert trouble in error.why
    else:
        run(deploy(probed, Request("dev")))


def test_a_probe_of_nobody_fails(project: FakeProject, site: Site) -> None:
    nobody = site.check(http="http://127.0.0.1:9/")
    probed = FakeProject(project.root, environment("dev", verify=[nobody]))
    probed.release("a")
    _, error = fails(deploy(probed, Request("dev")), DeploymentFailedError)
    assert error.why.startswith("http://127.0.0.1:9/: did not answer")


def test_a_missing_image_changes_nothing(project: FakeProject) -> None:
    own = FakeProject(project.root, environment("dev", registry="registry.example/shop"))
    own.release("a")
    own.repositories.errors["copy"] = PreconditionError("the manifest is missing")
    fails(deploy(own, Request("dev")), PreconditionError)
    assert outcome(own) == "failed"
    assert "apply" not in [m for m, _ in own.target().calls]


def test_no_task_runs_while_an_image_is_missing(project: FakeProject) -> None:
    summary = project.release("a", before=("migrate",))
    web = f"{HOME}/web@{summary.images['web']}"
    project.repositories.missing[web] = ["the manifest is missing"]
    _, error = fails(deploy(project, Request("dev")), PreconditionError)
    assert error.what == f"the registry does not have web's image {web}"
    assert outcome(project) == "failed"
    assert not {"run_task", "apply"} & {method for method, _ in project.target().calls}


def test_fm26_an_error_from_outside_leaves_it_to_be_resumed(project: FakeProject) -> None:
    over(project)
    project.target().errors["follow"] = RemoteError("the engine does not answer", temporary=True)
    _, error = fails(deploy(project, Request("dev")), RemoteError)
    assert error.next_step == "run `shipit resume` to finish it"
    state = project.state()
    assert (state.active, current(project)) == (None, "a")
    assert state.interrupted is not None
    assert state.interrupted.release_id == "b"
    assert state.recent[0].outcome == "interrupted"
    assert state.recent[0].reasons == (Reason("", "the engine does not answer"),)


def test_an_error_from_outside_before_the_lease_leaves_nothing(project: FakeProject) -> None:
    project.release("a")
    project.target().errors["observe"] = RemoteError("the engine does not answer")
    fails(deploy(project, Request("dev")), RemoteError)
    assert project.state().recent == ()


def test_a_fault_of_ours_leaves_it_to_be_resumed_too(project: FakeProject) -> None:
    project.release("a")
    project.target().errors["follow"] = ZeroDivisionError()
    fails(deploy(project, Request("dev")), ZeroDivisionError)
    assert project.state().interrupted is not None
    assert project.state().recent[0].reasons == (Reason("", "ended by ZeroDivisionError"),)


def test_every_end_gives_the_lease_back(project: FakeProject) -> None:
    project.release("a")
    for error in (PreconditionError("no"), RemoteError("no")):
        project.target().errors["apply"] = error
        fails(deploy(project, Request("dev")), ShipitError)
        assert project.state().active is None
        assert project.ledger.store.list("heartbeats") == []
