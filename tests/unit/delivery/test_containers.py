"""The container verbs, and what they leave on record."""

from pathlib import Path

import pytest

from shipit.delivery import containers
from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.delivery.resume import resume
from shipit.errors import HeldError, LeasedError, RemoteError, UnknownNameError, UsageError
from shipit.model.deployment import Health
from shipit.targets.interface import Logs
from tests.fakes.project import FakeProject, environment, fails, run


@pytest.fixture
def deployed(project: FakeProject) -> FakeProject:
    project.release("a", services=("web", "worker"))
    run(deploy(project, Request("dev")))
    project.target().calls.clear()
    return project


@pytest.fixture
def two(tmp_path: Path) -> FakeProject:
    made = FakeProject(tmp_path, environment("dev", targets=("eu", "us")))
    made.release("a")
    run(deploy(made, Request("dev")))
    return made


def healthy(project: FakeProject) -> tuple[bool, str]:
    current = project.state().current
    assert current is not None
    return current.healthy, current.note


def test_a_row_a_container(deployed: FakeProject) -> None:
    rows = containers.containers(deployed, "dev")
    assert [(row["service"], row["state"]) for row in rows] == [
        ("web", "running"),
        ("worker", "running"),
    ]
    assert "target" not in rows[0]


def test_a_row_names_its_target_where_there_are_several(two: FakeProject) -> None:
    assert [row["target"] for row in containers.containers(two, "dev")] == ["eu", "us"]


def test_stopped_on_purpose_is_on_record_and_holds_downstream(deployed: FakeProject) -> None:
    assert containers.stop(deployed, "dev", ["web"], "the sale") == ["web"]
    assert healthy(deployed) == (False, "the sale")
    fails(deploy(deployed, Request("qa", release="a")), HeldError)
    assert containers.start(deployed, "dev", []) == ["web", "worker"]
    assert healthy(deployed) == (True, "")


def test_started_is_not_yet_healthy(deployed: FakeProject) -> None:
    containers.stop(deployed, "dev", [], "")
    assert healthy(deployed) == (False, "stopped")
    containers.start(deployed, "dev", ["web"])
    assert healthy(deployed) == (False, "worker is not running")


def test_a_service_that_is_not_there(deployed: FakeProject) -> None:
    for call in (
        lambda: containers.stop(deployed, "dev", ["wep"], ""),
        lambda: containers.execute(deployed, "dev", "wep", ["true"], tty=False),
        lambda: containers.run(deployed, "dev", "wep", ["true"], tty=False),
    ):
        with pytest.raises(UnknownNameError) as raised:
            call()
        assert raised.value.next_step == "there is: web, worker"
    assert [s.health for s in deployed.target().running.values()] == [Health.HEALTHY] * 2


def test_nothing_is_stopped_or_removed_under_a_deployment(deployed: FakeProject) -> None:
    work = deploy(deployed.again(), Request("dev"))
    while next(work).stage != "lease":  # type: ignore[union-attr]
        pass
    deployed.target().calls.clear()
    with pytest.raises(LeasedError):
        containers.stop(deployed, "dev", [], "")
    with pytest.raises(LeasedError):
        containers.start(deployed, "dev", [])
    with pytest.raises(LeasedError):
        containers.remove(deployed, "dev", volumes=False)
    assert deployed.target().calls == []
    work.close()


@pytest.mark.parametrize("volumes", [False, True])
def test_removed_with_its_history_kept(deployed: FakeProject, volumes: bool) -> None:
    assert containers.remove(deployed, "dev", volumes=volumes) == ["web-1", "worker-1"]
    assert deployed.target().calls == [("remove", "volumes" if volumes else "")]
    state = deployed.state()
    assert state.current is None
    assert state.previous is not None
    assert len(state.recent) == 1
    _, error = fails(deploy(deployed, Request("qa")), UsageError)
    assert error.what == "nothing runs in dev yet, which qa comes after"


def test_removing_what_was_never_there_records_nothing(project: FakeProject) -> None:
    assert containers.remove(project, "dev", volumes=False) == []
    assert project.ledger.read().number == 0


def test_a_command_in_a_container_and_beside_it(deployed: FakeProject) -> None:
    assert containers.execute(deployed, "dev", "web", ["id", "-u"], tty=False) == 0
    assert containers.run(deployed, "dev", "web", ["true"], tty=False) == 0
    assert [c for c in deployed.target().calls if c[0] in ("exec", "run")] == [
        ("exec", "web id -u"),
        ("run", "web true"),
    ]


def test_a_command_of_nothing(project: FakeProject) -> None:
    with pytest.raises(UsageError, match="nothing was deployed to dev"):
        containers.run(project, "dev", "web", ["true"], tty=False)


def lines(project: FakeProject, target: str = "") -> list[tuple[str, str]]:
    told = containers.logs(
        project, "dev", ["web"], follow=False, tail=None, since=None, target=target
    )
    return list(told)


def test_logs_of_a_service(deployed: FakeProject) -> None:
    assert lines(deployed) == [("web-1", "web says hello")]


def test_of_several_targets_one_is_named(two: FakeProject) -> None:
    with pytest.raises(UsageError) as raised:
        lines(two)
    assert raised.value.what == "dev has several targets: eu, us"
    assert lines(two, "us") == [("web-1", "web says hello")]
    with pytest.raises(UnknownNameError):
        lines(two, "uk")


def test_what_a_target_cannot_do_is_one_sentence() -> None:
    class Plain:
        name = "default"

    with pytest.raises(UsageError) as raised:
        containers.able(Plain(), Logs, "show logs")  # type: ignore[arg-type]
    assert raised.value.what == "the target default cannot show logs"


def test_what_was_interrupted_is_removed_too_and_not_taken_up_again(project: FakeProject) -> None:
    """Its migration is on record as done, and went with the volume."""
    project.release("a", before=("migrate",))
    project.target().errors["apply"] = RemoteError("the engine does not answer", temporary=True)
    fails(deploy(project, Request("dev")), RemoteError)
    containers.remove(project, "dev", volumes=True)
    assert project.state().interrupted is None
    assert run(resume(project)) == ()
    project.target().tasks.clear()
    run(deploy(project, Request("dev")))
    assert len(project.target().tasks) == 1


def test_a_stop_says_nothing_of_a_deployment_that_came_meanwhile(deployed: FakeProject) -> None:
    deployed.release("b", services=("web", "worker"))

    def overtake(method: str) -> None:
        if method == "observe":
            deployed.target().hook = lambda _: None
            run(deploy(deployed.again(), Request("dev")))

    containers.stop(deployed, "dev", [], "the sale")
    deployed.target().hook = overtake
    containers.start(deployed, "dev", [])
    assert healthy(deployed) == (True, "")
