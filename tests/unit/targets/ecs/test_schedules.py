"""What runs at its times: schedules in EventBridge Scheduler, pinned to a revision."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from shipit.errors import ConfigurationError, PreconditionError, RemoteError
from shipit.model.deployment import Action, Health
from shipit.model.progress import Failed, Succeeded
from tests.fakes.scheduler import CLUSTER
from tests.fakes.scheduler import ROLE as SCHEDULER
from tests.unit.targets.ecs.conftest import PLAIN, ROLE, SETTINGS, Shop, digest

HOURLY: dict[str, Any] = {"x-shipit": {"schedule": "rate(1 hour)"}}
NIGHTLY = {"x-shipit": {"schedule": "30 3 * * MON-FRI", "timezone": "Europe/Madrid"}}
BOTH = {"web": PLAIN, "report": HOURLY}
WRITES = {"CreateSchedule", "UpdateSchedule", "DeleteSchedule"}


@pytest.fixture(autouse=True)
def _role(shop: Shop) -> None:
    shop.settings = replace(SETTINGS, scheduler_role=SCHEDULER)


def schedule(shop: Shop, name: str = "shop-dev-report") -> dict[str, Any]:
    found: dict[str, Any] = shop.scheduler.schedules["shop-dev", name]
    return found


def revision(shop: Shop, number: int, family: str = "shop-dev-report") -> str:
    return shop.sim.world.arn("task-definition", f"{family}:{number}")


def changes(shop: Shop, services: dict[str, dict[str, Any]], version: str = "1") -> Any:
    plan, _, outcome = shop.deploy(shop.desired(services, version))
    assert isinstance(outcome, Succeeded), outcome
    return {c.service: (c.action, c.why) for c in plan.changes}


def test_a_schedule_is_made_with_the_pinned_revision(shop: Shop) -> None:
    plan, said, outcome = shop.deploy(shop.desired(BOTH))
    assert [(c.service, c.action, c.why) for c in plan.changes] == [
        ("web", Action.CREATE, "not there yet"),
        ("report", Action.CREATE, "not scheduled yet: rate(1 hour) UTC"),
    ]
    assert outcome == Succeeded({"web": digest("1"), "report": digest("1")})
    assert ("report", "rate(1 hour) UTC runs shop-dev-report:1") in {
        (p.subject, p.message) for p in said
    }
    made = schedule(shop)
    assert (made["ScheduleExpression"], made["State"]) == ("rate(1 hour)", "ENABLED")
    target = made["Target"]
    assert (target["Arn"], target["RoleArn"]) == (CLUSTER, SCHEDULER)
    assert target["EcsParameters"] == {
        "TaskDefinitionArn": revision(shop, 1),
        "TaskCount": 1,
        "LaunchType": "FARGATE",
        "PropagateTags": "TASK_DEFINITION",
        "NetworkConfiguration": {
            "awsvpcConfiguration": {
                "Subnets": ["subnet-0a1"],
                "SecurityGroups": ["sg-0b2"],
                "AssignPublicIp": "DISABLED",
            }
        },
    }
    (container,) = shop.sim.world.definitions["shop-dev-report"][0].body["containerDefinitions"]
    assert container["image"].endswith(f"/report@{digest('1')}")
    assert shop.scheduler.groups["shop-dev"] == {
        "shipit:app": "shop",
        "shipit:environment": "dev",
    }
    assert [s["serviceName"] for s in shop.sim.asked("CreateService")] == ["shop-dev-web"]


def test_unchanged_is_read_and_not_written(shop: Shop) -> None:
    shop.deploy(shop.desired(BOTH))
    before = len(shop.scheduler.asked)
    assert changes(shop, BOTH)["report"] == (Action.KEEP, "unchanged: rate(1 hour) UTC")
    assert not WRITES & set(shop.scheduler.operations()[before:])


def test_an_image_a_time_and_a_place_are_changes(shop: Shop) -> None:
    shop.deploy(shop.desired(BOTH))
    assert changes(shop, BOTH, "2")["report"] == (Action.UPDATE, "its image changes")
    assert schedule(shop)["Target"]["EcsParameters"]["TaskDefinitionArn"] == revision(shop, 2)
    nightly = {"web": PLAIN, "report": NIGHTLY}
    said = "its schedule changes: cron(30 3 ? * MON-FRI *) Europe/Madrid"
    assert changes(shop, nightly, "2")["report"] == (Action.UPDATE, said)
    assert schedule(shop)["ScheduleExpressionTimezone"] == "Europe/Madrid"
    assert schedule(shop)["Target"]["EcsParameters"]["TaskDefinitionArn"] == revision(shop, 2)
    shop.settings = replace(shop.settings, subnets=("subnet-9",), capacity_providers={"FARGATE": 1})
    plan, _, outcome = shop.deploy(shop.desired(nightly, "2"))
    (change,) = (c for c in plan.changes if c.service == "report")
    assert {"- schedule.subnets: subnet-0a1", "+ schedule.subnets: subnet-9"} <= set(change.diff)
    assert isinstance(outcome, Succeeded)
    assert "LaunchType" not in schedule(shop)["Target"]["EcsParameters"]


def test_what_somebody_added_by_hand_stays(shop: Shop) -> None:
    """A dead-letter queue, which compose.yaml has no words for."""
    shop.deploy(shop.desired(BOTH))
    queue = {"Arn": "arn:aws:sqs:eu-west-1:111122223333:dead"}
    schedule(shop)["Target"]["DeadLetterConfig"] = queue
    schedule(shop)["EndDate"] = 4102444800
    shop.deploy(shop.desired(BOTH, "2"))
    assert schedule(shop)["Target"]["DeadLetterConfig"] == queue
    assert schedule(shop)["EndDate"] == 4102444800


def test_what_somebody_changed_by_hand_is_seen(shop: Shop) -> None:
    shop.deploy(shop.desired(BOTH))
    schedule(shop)["ScheduleExpression"] = "rate(5 minutes)"
    plan, _, _ = shop.deploy(shop.desired(BOTH))
    (change,) = (c for c in plan.changes if c.service == "report")
    assert change.diff == (
        "- schedule.expression: rate(5 minutes)",
        "+ schedule.expression: rate(1 hour)",
    )


def test_a_schedule_that_the_release_has_not_is_removed(shop: Shop) -> None:
    shop.deploy(shop.desired(BOTH))
    assert changes(shop, {"web": PLAIN})["report"] == (
        Action.REMOVE,
        "the release does not schedule it",
    )
    assert not shop.scheduler.schedules


def test_a_service_becomes_a_schedule_and_a_service_again(shop: Shop) -> None:
    shop.deploy(shop.desired({"web": PLAIN, "report": {}}))
    plan, _, outcome = shop.deploy(shop.desired(BOTH))
    assert [(c.service, c.action) for c in plan.changes] == [
        ("web", Action.KEEP),
        ("report", Action.REMOVE),
        ("report", Action.CREATE),
    ]
    assert isinstance(outcome, Succeeded)
    assert shop.service("shop-dev-report")["status"] in ("DRAINING", "INACTIVE")
    shop.sim.clock.advance(600)
    _, _, outcome = shop.deploy(shop.desired({"web": PLAIN, "report": {}}))
    assert isinstance(outcome, Succeeded)
    assert not shop.scheduler.schedules
    assert shop.service("shop-dev-report")["status"] == "ACTIVE"


def test_an_application_of_schedules_alone(shop: Shop) -> None:
    assert changes(shop, {"report": HOURLY}) == {
        "report": (Action.CREATE, "not scheduled yet: rate(1 hour) UTC")
    }


def test_08_a_schedule_whose_revision_is_gone_is_given_another(shop: Shop) -> None:
    """Failure mode 8: on a deregistered revision it starts nothing, and nothing says so."""
    shop.deploy(shop.desired(BOTH))
    shop.sim.call("DeregisterTaskDefinition", taskDefinition=revision(shop, 1))
    assert changes(shop, BOTH)["report"] == (Action.UPDATE, "the revision that it runs is gone")
    assert schedule(shop)["Target"]["EcsParameters"]["TaskDefinitionArn"] == revision(shop, 2)


def test_08_a_schedule_keeps_its_revision_from_gc(shop: Shop) -> None:
    for version in "123":
        shop.deploy(shop.desired({"report": HOURLY}, version))
    schedule(shop)["Target"]["EcsParameters"]["TaskDefinitionArn"] = revision(shop, 1)
    assert [one.name for one in shop.target().leftovers([], 0)] == ["shop-dev-report:2"]


def test_read_back_it_has_to_be_what_was_written(shop: Shop) -> None:
    """Somebody else writes it after us: not what was deployed, so no success."""
    shop.deploy(shop.desired(BOTH))
    target = shop.target()
    rollout = target.apply(target.plan(shop.desired(BOTH, "2"), target.observe()))
    schedule(shop)["Target"]["EcsParameters"]["TaskDefinitionArn"] = revision(shop, 1)
    *_, outcome = target.follow(rollout)
    assert isinstance(outcome, Failed)
    assert [(r.subject, r.what) for r in outcome.reasons] == [
        ("report", "its schedule runs shop-dev-report:1, not shop-dev-report:2")
    ]


def test_read_back_it_has_to_be_on(shop: Shop) -> None:
    target = shop.target()
    rollout = target.apply(target.plan(shop.desired(BOTH), target.observe()))
    schedule(shop)["State"] = "DISABLED"
    *_, outcome = target.follow(rollout)
    assert isinstance(outcome, Failed)
    assert [r.what for r in outcome.reasons] == ["its schedule is stopped"]


def test_read_back_its_revision_has_to_name_the_image(shop: Shop) -> None:
    target = shop.target()
    rollout = target.apply(target.plan(shop.desired(BOTH), target.observe()))
    (definition,) = shop.sim.world.definitions["shop-dev-report"]
    definition.body["containerDefinitions"][0]["image"] = f"other@{digest('2')}"
    *_, outcome = target.follow(rollout)
    assert isinstance(outcome, Failed)
    said = f"its schedule runs {digest('2').short}, not {digest('1').short}"
    assert [r.what for r in outcome.reasons] == [said]


def test_it_is_not_written_where_a_service_was_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deployment has failed by then, and what ran at its times goes on as it was."""
    both = {"a": PLAIN, "b": PLAIN, "report": HOURLY}
    shop.deploy(shop.desired(both))
    target = shop.target()
    plan = target.plan(shop.desired(both, "2"), target.observe())
    answer = target._cloud.call

    def call(api: str, operation: str, /, **asked: Any) -> dict[str, Any]:
        if operation == "update_service" and asked["service"] == "shop-dev-b":
            raise RemoteError("AWS refused it", reasons=("InvalidParameterException",))
        return answer(api, operation, **asked)

    monkeypatch.setattr(target._cloud, "call", call)
    *_, outcome = target.follow(target.apply(plan))
    assert isinstance(outcome, Failed)
    assert schedule(shop)["Target"]["EcsParameters"]["TaskDefinitionArn"] == revision(shop, 1)


def test_stale_reads_only_take_time(shop: Shop) -> None:
    shop.deploy(shop.desired(BOTH))
    target = shop.target()
    rollout = target.apply(target.plan(shop.desired(BOTH, "2"), target.observe()))
    shop.scheduler.stale = 5
    *_, outcome = target.follow(rollout)
    assert isinstance(outcome, Succeeded)
    assert shop.scheduler.stale == 0


def test_a_lost_answer_and_throttling_change_nothing(shop: Shop) -> None:
    shop.scheduler.lost |= {"CreateSchedule", "CreateScheduleGroup"}
    shop.scheduler.refuse["ListSchedules"] = ["ThrottlingException"] * 3
    _, _, outcome = shop.deploy(shop.desired(BOTH))
    assert isinstance(outcome, Succeeded)
    assert list(shop.scheduler.schedules) == [("shop-dev", "shop-dev-report")]


def test_what_aws_refuses_after_services_changed_is_a_failure(shop: Shop) -> None:
    """Not a request that was wrong: there is something to go back from."""
    shop.scheduler.refuse["CreateSchedule"] = ["ServiceQuotaExceededException"]
    _, _, outcome = shop.deploy(shop.desired(BOTH))
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].subject == "report"
    assert "scheduler:CreateSchedule: ServiceQuotaExceededException" in outcome.reasons[0].what


def test_a_group_of_somebody_else_is_left_alone(shop: Shop) -> None:
    shop.scheduler.groups["shop-dev"] = {"team": "other"}
    shop.scheduler.by_hand("theirs", {}, group="shop-dev")
    target = shop.target()
    plan = target.plan(shop.desired(BOTH), target.observe())
    assert {c.service for c in plan.changes} == {"web", "report"}
    with pytest.raises(PreconditionError, match="group shop-dev, and it is not this environment"):
        target.apply(plan)
    assert not shop.sim.asked("CreateService")
    shop.target().remove(volumes=False)
    assert ("shop-dev", "theirs") in shop.scheduler.schedules


def test_a_group_on_its_way_out_is_waited_for(shop: Shop) -> None:
    """`rm` and a deployment at once: a schedule in it would go with it."""
    shop.scheduler.groups["shop-dev"] = {"shipit:app": "shop", "shipit:environment": "dev"}
    shop.scheduler.deleting.add("shop-dev")
    target = shop.target()
    plan = target.plan(shop.desired(BOTH), target.observe())
    with pytest.raises(PreconditionError, match="group shop-dev is still being deleted"):
        target.apply(plan)
    assert not shop.sim.asked("CreateService")


def test_a_plan_does_not_hold_once_the_schedule_moved(shop: Shop) -> None:
    shop.deploy(shop.desired(BOTH))
    target = shop.target()
    plan = target.plan(shop.desired(BOTH, "2"), target.observe())
    schedule(shop)["State"] = "DISABLED"
    with pytest.raises(PreconditionError, match="changed since it was planned"):
        target.apply(plan)


def test_stop_and_start_switch_it_off_and_on(shop: Shop) -> None:
    shop.deploy(shop.desired(BOTH))
    stopped = {seen.name: seen.health for seen in shop.target().stop([])}
    assert stopped == {"web": Health.STOPPED, "report": Health.STOPPED}
    assert schedule(shop)["State"] == "DISABLED"
    pinned = schedule(shop)["Target"]["EcsParameters"]["TaskDefinitionArn"]
    (started,) = shop.target().start(["report"])
    assert (started.name, started.health) == ("report", Health.HEALTHY)
    assert schedule(shop)["State"] == "ENABLED"
    assert schedule(shop)["Target"]["EcsParameters"]["TaskDefinitionArn"] == pinned
    assert shop.service()["desiredCount"] == 0  # it alone was started


def test_a_deployment_starts_what_was_stopped(shop: Shop) -> None:
    shop.deploy(shop.desired(BOTH))
    shop.target().stop(["report"])
    assert changes(shop, BOTH)["report"] == (Action.UPDATE, "stopped")
    assert schedule(shop)["State"] == "ENABLED"


def test_ps_shows_it_and_what_it_runs(shop: Shop) -> None:
    shop.deploy(shop.desired(BOTH))
    (row,) = (row for row in shop.target().containers() if row["service"] == "report")
    assert (row["name"], row["state"]) == ("shop-dev-report", "rate(1 hour) UTC")
    assert row["digest"] == str(digest("1"))
    assert row["image"].endswith("/shop/report")
    shop.sim.call(
        "RunTask",
        cluster="prod",
        taskDefinition=revision(shop, 1),
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-0a1"]}},
        launchType="FARGATE",
    )
    shop.sim.clock.advance(120)
    rows = [row for row in shop.target().containers() if row["service"] == "report"]
    assert [row["state"] for row in rows] == ["running", "rate(1 hour) UTC"]
    assert {row["digest"] for row in rows} == {str(digest("1"))}


def test_logs_of_what_ran(shop: Shop) -> None:
    shop.deploy(shop.desired(BOTH))
    shop.sim.clock.listeners.append(
        lambda task: shop.around.lines.setdefault(
            f"/ecs/shop-dev:report/report/{task.id}", ["42 orders"]
        )
    )
    shop.sim.call(
        "RunTask",
        cluster="prod",
        taskDefinition=revision(shop, 1),
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-0a1"]}},
        launchType="FARGATE",
    )
    shop.sim.clock.advance(120)
    found = list(shop.target().logs(["report"], follow=False, tail=None, since=None))
    assert [line for _, line in found] == ["42 orders"]


def test_exec_needs_one_that_runs_now(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "session-manager-plugin"
    plugin.write_text("#!/bin/sh\n")
    plugin.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    report = {**HOURLY, "x-ecs": {"exec": True}}
    shop.deploy(shop.desired({"report": report}))
    assert schedule(shop)["Target"]["EcsParameters"]["EnableExecuteCommand"] is True
    with pytest.raises(PreconditionError, match="report does not run in shop-dev"):
        shop.target().exec("report", ["sh"], tty=True)


def test_rm_takes_schedules_and_group_away(shop: Shop) -> None:
    shop.deploy(shop.desired({**BOTH, "a": HOURLY, "b": HOURLY, "c": NIGHTLY}))
    gone = shop.target().remove(volumes=False)
    assert {"shop-dev/shop-dev-report", "shop-dev-web"} <= set(gone)
    assert not shop.scheduler.schedules
    assert set(shop.scheduler.groups) == {"default"}
    assert shop.target().observe().services == {}
    shop.target().remove(volumes=False)  # gone already is as good


def test_nothing_is_asked_of_the_scheduler_where_it_has_no_role(shop: Shop) -> None:
    shop.settings = SETTINGS
    shop.deploy(shop.desired())
    assert not shop.scheduler.asked


@pytest.mark.parametrize(
    ("definition", "path", "what"),
    [
        ({"deploy": {"replicas": 2}}, "deploy.replicas", "one task each time"),
        ({"x-ecs": {"task": "web"}}, "x-ecs.task", "in no service"),
        ({"x-ecs": {"alarms": ["a"]}}, "x-ecs.alarms", "in no service"),
        (
            {"x-shipit": {"schedule": "0 3 1 * MON"}},
            "x-shipit.schedule",
            "EventBridge takes one of them alone",
        ),
    ],
)
def test_what_cannot_be_honoured_is_named(
    shop: Shop, definition: dict[str, Any], path: str, what: str
) -> None:
    desired = shop.desired({"web": PLAIN, "report": {**HOURLY, **definition}})
    target = shop.target()
    with pytest.raises(ConfigurationError, match=what) as refused:
        target.plan(desired, target.observe())
    assert f"services.report.{path}" in str(refused.value.what)


def test_a_role_is_needed(shop: Shop) -> None:
    shop.settings = SETTINGS
    target = shop.target()
    with pytest.raises(ConfigurationError, match="none is named") as refused:
        target.plan(shop.desired(BOTH), target.observe())
    assert "environments.dev.target.ecs.scheduler_role" in str(refused.value.what)


def test_one_that_ends_by_itself_may_say_so(shop: Shop) -> None:
    """`restart: "no"` is what a task that runs at its times does."""
    assert "report" in changes(shop, {"report": {**HOURLY, "restart": "no"}})


def test_the_tasks_role_is_the_targets(shop: Shop) -> None:
    shop.deploy(shop.desired(BOTH))
    body = shop.sim.world.definitions["shop-dev-report"][0].body
    assert body["executionRoleArn"] == ROLE
