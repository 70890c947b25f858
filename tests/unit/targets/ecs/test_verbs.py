"""The container verbs and one-off tasks on a simulated ECS."""

import json
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import PreconditionError, UnknownNameError
from shipit.model.deployment import Desired, Health
from shipit.model.progress import Failed, Outcome, Progress, Succeeded
from shipit.targets import interface
from tests.fakes.ecs import Behaviour, cannot_pull, ends, runs
from tests.unit.targets.ecs.conftest import PLAIN, Shop, digest

TASK: dict[str, Any] = {"x-shipit": {"run": "before"}}
BOTH = {"web": PLAIN, "migrate": TASK}


def run_task(shop: Shop, desired: Desired, key: str = "7") -> tuple[list[Progress], Outcome]:
    *said, outcome = shop.target().run_task(desired, "migrate", key)
    assert not isinstance(outcome, Progress)
    return [item for item in said if isinstance(item, Progress)], outcome


def test_it_can_do_all_that_the_verbs_ask_for(shop: Shop) -> None:
    for capability in (
        *(interface.Preflights, interface.RunsTasks, interface.RunsCommands, interface.Logs),
        *(interface.Exec, interface.Lists, interface.Scales, interface.Removes),
    ):
        assert isinstance(shop.target(), capability)


def test_a_task_ends_well_and_its_lines_come_by(shop: Shop) -> None:
    shop.behaves("1", ends(0), "migrate")
    shop.sim.clock.listeners.append(
        lambda task: shop.around.lines.setdefault(
            f"/ecs/shop-dev:migrate/migrate/{task.id}", ["table made"]
        )
    )
    said, outcome = run_task(shop, shop.desired(BOTH))
    assert outcome == Succeeded({"migrate": digest("1")})
    assert [p.logs for p in said if p.logs] == [("table made",)]
    assert shop.target().observe().services == {}  # nothing has changed yet


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (ends(3), "ended with exit code 3"),
        (cannot_pull(), "its image cannot be pulled: "),
        (Behaviour(exits=1, digest=f"sha256:{'0' * 64}"), f"ran {'0' * 12}, not "),
        (runs(), "did not end within 1m"),
    ],
)
def test_a_task_that_fails_says_why(shop: Shop, behaviour: Behaviour, why: str) -> None:
    shop.deadline = 60.0
    shop.behaves("1", behaviour, "migrate")
    _, outcome = run_task(shop, shop.desired(BOTH))
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].subject == "migrate"
    assert outcome.reasons[0].what.startswith(why)


def test_36_a_task_that_fails_has_its_last_lines(shop: Shop) -> None:
    shop.behaves("1", ends(1), "migrate")
    shop.sim.clock.listeners.append(
        lambda task: shop.around.lines.setdefault(
            f"/ecs/shop-dev:migrate/migrate/{task.id}", [str(n) for n in range(50)]
        )
    )
    _, outcome = run_task(shop, shop.desired(BOTH))
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].logs == tuple(str(n) for n in range(30, 50))


def test_a_task_is_started_once_for_one_key(shop: Shop) -> None:
    """Also when the answer was lost, and when the first shipit was killed on the way."""
    shop.behaves("1", ends(0, after=30), "migrate")
    shop.sim.lose_answer("RunTask")
    desired = shop.desired(BOTH)
    steps = shop.target().run_task(desired, "migrate", "7")
    next(steps)
    del steps  # killed
    _, outcome = run_task(shop, desired)
    assert isinstance(outcome, Succeeded)
    _, outcome = run_task(shop, desired)  # ended, and still known
    assert isinstance(outcome, Succeeded)
    assert len(shop.sim.world.tasks) == 1
    _, outcome = run_task(shop, desired, key="8")
    assert isinstance(outcome, Succeeded)
    assert len(shop.sim.world.tasks) == 2


def test_a_task_that_runs_under_another_key_is_not_joined(shop: Shop) -> None:
    shop.behaves("1", ends(0, after=300), "migrate")
    desired = shop.desired(BOTH)
    next(shop.target().run_task(desired, "migrate", "7"))
    with pytest.raises(PreconditionError, match="an earlier run of migrate is still at work"):
        run_task(shop, desired, key="8")


def test_a_task_that_has_no_room_says_so(shop: Shop) -> None:
    shop.sim.capacity("prod", 0)
    _, outcome = run_task(shop, shop.desired(BOTH))
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what.startswith("no capacity: ")


def test_09_asking_again_makes_no_orphan_revisions(shop: Shop) -> None:
    shop.behaves("1", ends(0), "migrate")
    for key in ("7", "8"):
        run_task(shop, shop.desired(BOTH), key=key)
    assert len(shop.sim.asked("RegisterTaskDefinition")) == 1


def test_run_forwards_the_exit_code_and_the_lines(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.behaves("1", runs().with_command(("check", "all"), ends(4)))
    shop.sim.clock.listeners.append(
        lambda task: shop.around.lines.setdefault(f"/ecs/shop-dev:web/web/{task.id}", ["hello"])
    )
    assert shop.target().run(shop.desired(), "web", ["check", "all"], tty=False) == 4
    assert capsys.readouterr().out == "hello\n"


def test_rows_of_ps(shop: Shop) -> None:
    shop.deploy(shop.desired({"web": PLAIN, "worker": {}}))
    rows = {row["service"]: row for row in shop.target().containers()}
    assert set(rows) == {"web", "worker"}
    assert set(rows["web"]) == {
        *("name", "service", "image", "digest", "state", "health", "ports", "since")
    }
    assert rows["web"]["digest"] == str(digest("1"))
    assert (rows["web"]["state"], rows["web"]["health"]) == ("running", "healthy")
    assert rows["web"]["ports"].endswith("8080/tcp")


def test_logs_of_some_services(shop: Shop) -> None:
    shop.sim.clock.listeners.append(
        lambda task: shop.around.lines.setdefault(
            f"/ecs/shop-dev:web/web/{task.id}", ["one", "two", "three"]
        )
    )
    shop.deploy(shop.desired({"web": PLAIN, "worker": {}}))
    found = list(shop.target().logs(["web"], follow=False, tail=2, since=None))
    assert [line for _, line in found] == ["two", "three"]
    assert found[0][0].startswith("web/")
    with pytest.raises(UnknownNameError, match="there is no service wbe; did you mean web"):
        list(shop.target().logs(["wbe"], follow=False, tail=None, since=None))


def test_a_log_is_followed(shop: Shop) -> None:
    shop.deploy(shop.desired())
    task = next(iter(shop.sim.world.tasks.values()))
    stream = shop.around.lines[f"/ecs/shop-dev:web/web/{task.id}"] = ["one"]
    target = shop.target()
    target._pause = lambda _: stream.append(f"more {len(stream)}")
    following = target.logs([], follow=True, tail=None, since=None)
    assert [next(following)[1] for _ in range(3)] == ["one", "more 1", "more 2"]


def test_stop_and_start_go_back_to_the_count_there_was(shop: Shop) -> None:
    shop.deploy(shop.desired({"web": {**PLAIN, "deploy": {"replicas": 3}}, "worker": {}}))
    (stopped,) = shop.target().stop(["web"])
    assert (stopped.running, stopped.health) == (0, Health.STOPPED)
    assert shop.target().observe().services["worker"].running == 1
    (started,) = shop.target().start(["web"])
    assert started.running == 3
    assert shop.service()["desiredCount"] == 3


def test_a_deployment_starts_what_was_stopped(shop: Shop) -> None:
    shop.deploy(shop.desired())
    shop.target().stop([])
    plan, _, outcome = shop.deploy(shop.desired())
    assert [c.why for c in plan.changes] == ["stopped"]
    assert outcome == Succeeded({"web": digest("1")})
    plan, _, _ = shop.deploy(shop.desired())
    assert not plan.changed


def test_remove_leaves_nothing_and_the_name_is_free(shop: Shop) -> None:
    shop.deploy(shop.desired({"web": PLAIN, "worker": {}}))
    assert set(shop.target().remove(volumes=False)) == {"shop-dev-web", "shop-dev-worker"}
    assert shop.target().observe().services == {}
    assert shop.target().remove(volumes=True) == []
    _, _, outcome = shop.deploy(shop.desired())
    assert isinstance(outcome, Succeeded)


def test_exec_hands_the_session_to_the_plugin(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deploy(shop.desired({"web": {**PLAIN, "x-ecs": {"exec": True}}}))
    plugin = tmp_path / "session-manager-plugin"
    plugin.write_text(
        "#!/usr/bin/env python3\nimport json, pathlib, sys\n"
        f"pathlib.Path({str(tmp_path / 'argv')!r}).write_text(json.dumps(sys.argv))\nsys.exit(5)\n"
    )
    plugin.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert shop.target().exec("web", ["sh", "-c", "echo $HOME"], tty=True) == 5
    argv = json.loads((tmp_path / "argv").read_text())
    assert set(json.loads(argv[1])) == {"SessionId", "StreamUrl", "TokenValue"}
    assert argv[2:5] == ["eu-west-1", "StartSession", ""]
    task = next(iter(shop.sim.world.tasks.values()))
    assert json.loads(argv[5])["Target"].startswith(f"ecs:prod_{task.id}_")
    assert shop.sim.asked("ExecuteCommand")[0]["command"] == "sh -c 'echo $HOME'"


def test_exec_without_the_plugin_is_a_clear_sentence(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deploy(shop.desired())
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(PreconditionError, match="session-manager-plugin is not installed"):
        shop.target().exec("web", ["sh"], tty=True)
