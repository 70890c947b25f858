"""One-off tasks on the real engine."""

from collections.abc import Callable

import pytest

from shipit.errors import PreconditionError
from shipit.model.deployment import Desired
from shipit.model.progress import Failed, Outcome, Progress, Stage, Succeeded
from shipit.targets.docker.target import DockerEngine
from tests.fakes.engine import Shop, deploy, docker, worker

pytestmark = pytest.mark.engine
Engines = Callable[..., DockerEngine]


def task(script: str) -> dict[str, object]:
    return worker(script, **{"x-shipit": {"run": "before"}, "restart": "always"})


def run(target: DockerEngine, desired: Desired, key: str) -> tuple[list[str], Outcome]:
    """The lines that the task wrote, and how it ended."""
    *said, outcome = target.run_task(desired, "migrate", key)
    assert not isinstance(outcome, Progress)
    progress = [p for p in said if isinstance(p, Progress)]
    assert {(p.stage, p.subject) for p in progress} <= {(Stage.BEFORE, "migrate")}
    return [line for p in progress for line in p.logs], outcome


def names(shop: Shop) -> list[str]:
    label = f"label=com.docker.compose.project={shop.project}"
    return docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").split()


def test_success_with_its_logs_and_nothing_else_started(shop: Shop, engine: Engines) -> None:
    services = {"worker": worker(), "migrate": task("echo one; echo two >&2")}
    services["migrate"]["depends_on"] = {"worker": {"condition": "service_started"}}
    lines, outcome = run(engine(), shop.desired(services), "k1")
    assert sorted(lines) == ["one", "two"]
    assert outcome == Succeeded({"migrate": shop.images["1"].digest})
    assert names(shop) == [f"{shop.project}-migrate-k1"]


def test_failure_with_its_exit_code_and_last_lines(shop: Shop, engine: Engines) -> None:
    target = engine()
    deploy(target, shop.desired({"worker": worker()}))
    services = {"worker": worker(), "migrate": task("seq 1 25; exit 4")}
    _, outcome = run(target, shop.desired(services, version="2"), "k1")
    assert isinstance(outcome, Failed)
    (reason,) = outcome.reasons
    assert reason.what == "ended with exit code 4"
    assert reason.logs == tuple(str(n) for n in range(6, 26))
    assert target.observe().services["worker"].images[0] == shop.images["1"].digest


def test_the_same_key_is_not_run_twice(shop: Shop, engine: Engines) -> None:
    volume = {"type": "volume", "source": "data", "target": "/data", "volume": {}}
    migrate = task("echo ran >> /data/log; cat /data/log") | {"volumes": [volume]}
    desired = shop.desired({"migrate": migrate}, volumes={"data": {"name": f"{shop.project}_data"}})
    assert run(engine(), desired, "k1")[0] == ["ran"]
    lines, outcome = run(engine(), desired, "k1")
    assert lines == ["ran"]
    assert isinstance(outcome, Succeeded)
    assert run(engine(), desired, "k2")[0] == ["ran", "ran"]
    assert names(shop) == [f"{shop.project}-migrate-k2"]


def test_a_run_at_work_is_joined_by_its_key_and_refused_to_others(
    shop: Shop, engine: Engines
) -> None:
    slow = task("echo begun; while ! test -e /go; do sleep 0.1; done; exit 0")
    desired = shop.desired({"migrate": slow})
    killed = engine().run_task(desired, "migrate", "k1")
    while not (said := next(killed)).logs:  # type: ignore[union-attr]
        pass
    assert said.logs == ("begun",)  # type: ignore[union-attr]
    killed.close()  # type: ignore[attr-defined]
    with pytest.raises(PreconditionError, match="still at work"):
        run(engine(), desired, "k2")
    docker("exec", f"{shop.project}-migrate-k1", "/bin/busybox", "touch", "/go")
    lines, outcome = run(engine(), desired, "k1")
    assert lines == ["begun"]
    assert isinstance(outcome, Succeeded)


def test_a_task_that_does_not_end_in_time_is_stopped(shop: Shop, engine: Engines) -> None:
    desired = shop.desired({"migrate": task("echo begun; exec sleep 1000")}, deadline=2)
    _, outcome = run(engine(), desired, "k1")
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == "did not end within 2.0s"
    assert outcome.reasons[0].logs == ("begun",)


def test_a_task_that_cannot_start(shop: Shop, engine: Engines) -> None:
    broken = task("") | {"entrypoint": ["/no/such/program"], "command": [], "init": False}
    for _ in range(2):
        _, outcome = run(engine(), shop.desired({"migrate": broken}), "k1")
        assert isinstance(outcome, Failed)
        assert "/no/such/program" in outcome.reasons[0].what


def test_the_rollout_takes_the_ended_task_away(shop: Shop, engine: Engines) -> None:
    target = engine()
    desired = shop.desired({"worker": worker(), "migrate": task("true")})
    run(target, desired, "k1")
    plan, _, outcome = deploy(target, desired)
    assert [c.service for c in plan.changes] == ["worker"]
    assert isinstance(outcome, Succeeded)
    assert names(shop) == [f"{shop.project}-worker-1"]
