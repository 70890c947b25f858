"""A one-off task finds the services that it depends on, also in a first deployment."""

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.errors import DeploymentFailedError, PreconditionError, RolledBackError
from shipit.model.progress import Reason
from tests.fakes.project import FakeProject, fails, run

NEEDS = {"migrate": ["db"], "db": ["disk"], "web": ["db"]}
BROKEN = (Reason("migrate", "exit code 1"),)


def applied(project: FakeProject) -> list[str]:
    target = project.fakes["dev"]["default"]
    return [method for method, _ in target.calls if method in ("apply", "run_task", "remove")]


def test_what_a_task_needs_is_started_before_it(project: FakeProject) -> None:
    project.release("a", services=("web", "db", "disk"), before=("migrate",), needs=NEEDS)
    seen: list[set[str]] = []
    target = project.fakes["dev"]["default"]
    target.hook = lambda method: seen.append(set(target.running)) if method == "run_task" else None
    run(deploy(project, Request("dev")))
    assert seen == [{"db", "disk"}]
    assert set(target.running) == {"web", "db", "disk"}
    assert applied(project) == ["apply", "run_task", "apply"]


def test_what_is_there_is_left_alone_until_the_task_is_done(project: FakeProject) -> None:
    services = ("web", "db", "disk")
    project.release("a", services=services, before=("migrate",), needs=NEEDS)
    run(deploy(project, Request("dev")))
    project.fakes["dev"]["default"].calls.clear()
    project.release("b", services=services, before=("migrate",), needs=NEEDS)
    run(deploy(project, Request("dev")))
    assert applied(project) == ["run_task", "apply"]


def test_a_task_that_fails_takes_away_what_was_started_for_it(project: FakeProject) -> None:
    project.release("a", services=("web", "db", "disk"), before=("migrate",), needs=NEEDS)
    target = project.fakes["dev"]["default"]
    target.broken_tasks["migrate"] = BROKEN
    fails(deploy(project, Request("dev")), DeploymentFailedError)
    assert target.running == {}
    assert applied(project) == ["apply", "run_task", "remove"]


def test_a_later_task_that_fails_goes_back_to_what_ran(project: FakeProject) -> None:
    project.release("a", services=("web",))
    run(deploy(project, Request("dev")))
    project.release("b", services=("web", "db", "disk"), before=("migrate",), needs=NEEDS)
    target = project.fakes["dev"]["default"]
    target.broken_tasks["migrate"] = BROKEN
    fails(deploy(project, Request("dev")), RolledBackError)
    assert {name: s.release_id for name, s in target.running.items()} == {"web": "a"}


def test_a_refusal_after_it_was_started_takes_it_away(project: FakeProject) -> None:
    project.release("a", services=("web", "db", "disk"), before=("migrate",), needs=NEEDS)
    target = project.fakes["dev"]["default"]

    def refuse(method: str) -> None:
        if method == "follow":
            target.errors["preflight"] = PreconditionError("port 8080 is taken")

    target.hook = refuse
    _, error = fails(deploy(project, Request("dev")), DeploymentFailedError)
    assert error.why == "port 8080 is taken"
    assert target.running == {}


def test_fm03_a_service_of_no_containers_has_nothing_to_prove(project: FakeProject) -> None:
    project.release("a", services=("web", "worker"), replicas={"worker": 0})
    result = run(deploy(project, Request("dev")))
    assert set(result.proven["default"]) == {"web"}
