"""Every story of a deployment on ECS, and what shipit makes of it: the outcome and its words.

The service is shipit's own here, and the stories give the images' behaviour and what others do.
Numbers are those of the design's list of failure modes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from shipit.errors import PreconditionError
from shipit.model.digest import Digest
from shipit.model.progress import Failed, Outcome, RolledBack, Succeeded, Superseded
from tests.fakes.ecs import Behaviour, stories
from tests.fakes.ecs.stories import Happening, Story
from tests.unit.targets.ecs.conftest import PLAIN, REGISTRY, Shop, digest

CLUSTER = {"cluster": "prod", "service": "shop-dev-web"}


def compose(story: Story) -> dict[str, Any]:
    """The story's deployment configuration, as Compose says it."""
    breaker = story.deployment.get("deploymentCircuitBreaker", {})
    action = "rollback" if breaker.get("rollback") else "pause" if breaker else "continue"
    update: dict[str, Any] = {"failure_action": action}
    if story.deployment.get("minimumHealthyPercent") == 0:
        update |= {"order": "stop-first", "parallelism": 0}
    web = {**PLAIN, "deploy": {"replicas": story.desired, "update_config": update}}
    if alarms := story.deployment.get("alarms"):
        web["x-ecs"] = {"alarms": alarms["alarmNames"]}
    if story.health_check:
        web["healthcheck"] = {"test": ["CMD", "/check"], "interval": "5s", "retries": 2}
    return {"web": web}


def happen(shop: Shop, story: Story, event: Happening) -> None:
    if event.deploy:
        running = shop.service()["taskDefinition"]
        body = shop.sim.call("DescribeTaskDefinition", taskDefinition=running)["taskDefinition"]
        kept = {"family", "networkMode", "cpu", "memory", "executionRoleArn"}
        kept |= {"requiresCompatibilities", "containerDefinitions"}
        mine = {k: v for k, v in body.items() if k in kept}
        mine["containerDefinitions"][0]["image"] = f"{REGISTRY}/web@{digest(event.deploy)}"
        made = shop.sim.call("RegisterTaskDefinition", **mine)
        arn = made["taskDefinition"]["taskDefinitionArn"]
        shop.sim.call("UpdateService", taskDefinition=arn, **CLUSTER)
    if event.scale is not None:
        shop.sim.call("UpdateService", desiredCount=event.scale, **CLUSTER)
    if event.alarm:
        shop.rings(event.alarm)
    if event.breaks:
        shop.behaves(event.breaks, Behaviour(cannot_pull="not found"))
    if event.roll_back:
        record = shop.sim.world.services["prod", "shop-dev-web"].primary.record
        shop.sim.call("StopServiceDeployment", serviceDeploymentArn=record.arn)


def told(
    shop: Shop, name: str, faults: Callable[[Shop], object] | None = None
) -> tuple[Outcome, list[str]]:
    """What the deployment of the story's `next` comes to, and what was said on the way. `faults`
    come on top of the story's own."""
    story = stories.read(name)
    for image, behaves in story.images.items():
        shop.behaves(image, Behaviour(**behaves))
    if story.before:
        _, _, first = shop.deploy(shop.desired(compose(story), version=story.before))
        assert isinstance(first, Succeeded)
        early = story.deployment.get("earlySuccessCriteria")
        if early:
            shop.sim.world.services["prod", "shop-dev-web"].settings["deploymentConfiguration"][
                "earlySuccessCriteria"
            ] = early
    for alarm in story.alarms:
        shop.rings(alarm)
    shop.sim.world.rollback_keeps_id = story.rollback_keeps_id
    shop.sim.capacity("prod", story.room)
    shop.sim.throttle_share(story.throttled)
    shop.sim.stale(story.stale)
    if faults:
        faults(shop)
    for event in story.then:
        shop.sim.once_written(event.after, partial(happen, shop, story, event))
    _, said, outcome = shop.deploy(shop.desired(compose(story), version="next"))
    return outcome, [p.message for p in said]


def running(shop: Shop) -> set[Digest]:
    """What the tasks that run now report, whatever anybody is told of it."""
    tasks = shop.sim.world.tasks.values()
    return {Digest(t.containers[0].digest) for t in tasks if t.alive and t.last == "RUNNING"}


PROVEN = Succeeded({"web": digest("next")})


@pytest.mark.parametrize("name", ["success", "first_deployment"])
def test_a_good_image_is_proven(shop: Shop, name: str) -> None:
    outcome, said = told(shop, name)
    assert outcome == PROVEN
    assert any("deployment completed" in line for line in said)
    assert said[-1] == f"proven, runs {digest('next').short} (2x)"


def test_10_stale_reads_change_nothing_but_the_time(shop: Shop) -> None:
    """It is not called proven while reads still show what ran before."""
    outcome, _ = told(shop, "stale_reads")
    assert outcome == PROVEN
    assert running(shop) == {digest("next")}


def test_11_throttling_changes_nothing_but_the_time(shop: Shop) -> None:
    outcome, _ = told(shop, "throttled")
    assert outcome == PROVEN


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("circuit_breaker_rollback", "web exited with code 1"),
        ("rollback_keeps_id", "web exited with code 1"),
        ("image_cannot_be_pulled", "its image cannot be pulled: "),
        ("out_of_memory", "was killed: out of memory"),
        ("unhealthy", "its health check fails: "),
    ],
)
def test_01_stable_again_on_the_old_image_is_a_rollback(shop: Shop, name: str, why: str) -> None:
    outcome, _ = told(shop, name)
    assert isinstance(outcome, RolledBack)
    assert outcome.reasons[0].subject == "web"
    assert outcome.reasons[0].what.startswith("ECS rolled it back: ")
    assert why in outcome.reasons[0].what


def test_01_a_rollback_that_fails_itself_is_no_success(shop: Shop) -> None:
    outcome, _ = told(shop, "rollback_fails")
    assert isinstance(outcome, RolledBack | Failed)
    assert "web exited with code 1" in outcome.reasons[0].what


def test_01_somebody_asked_ecs_to_go_back(shop: Shop) -> None:
    outcome, _ = told(shop, "rollback_requested")
    assert isinstance(outcome, RolledBack)


def test_02_somebody_elses_deployment_supersedes(shop: Shop) -> None:
    outcome, _ = told(shop, "superseded")
    assert isinstance(outcome, Superseded)
    assert outcome.by.startswith("ecs-svc/")
    assert outcome.by.endswith("(shop-dev-web:3)")


def test_03_scaled_to_zero_meanwhile_is_no_success(shop: Shop) -> None:
    outcome, _ = told(shop, "scaled_to_zero")
    assert isinstance(outcome, Failed)
    assert "nothing was exercised" in outcome.reasons[0].what


def test_03_no_replicas_asked_for_is_told_and_proves_nothing(shop: Shop) -> None:
    none = {"web": {**PLAIN, "deploy": {"replicas": 0}}}
    plan, said, outcome = shop.deploy(shop.desired(none, version="next"))
    assert outcome == Succeeded({})
    assert said[-1].message == "0 replicas: not exercised"
    assert "services.web: 0 replicas, so the release is not exercised there" in plan.notes


def test_04_a_first_deployment_has_nothing_to_go_back_to(shop: Shop) -> None:
    outcome, _ = told(shop, "first_deployment_fails")
    assert isinstance(outcome, Failed)
    assert "web exited with code 1" in outcome.reasons[0].what


@pytest.mark.parametrize("name", ["breaker_without_rollback", "no_breaker", "crash_loop"])
def test_05_failures_that_ecs_does_not_act_on_end_it_from_our_side(shop: Shop, name: str) -> None:
    outcome, _ = told(shop, name)
    assert isinstance(outcome, Failed)
    assert "web exited with code" in outcome.reasons[0].what
    assert shop.waited < shop.deadline  # not by the deadline alone


def test_05_capacity_that_never_comes_ends_at_our_deadline(shop: Shop) -> None:
    outcome, said = told(shop, "capacity_never_comes")
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what.startswith("not proven within 10m: 0 of 2 run; no capacity: ")
    assert "Capacity is unavailable at this time" in outcome.reasons[0].what
    assert any("was unable to place a task" in line for line in said)


def test_06_an_alarm_that_rings_before_the_start_is_no_watch_and_refused(shop: Shop) -> None:
    """ECS would call it a success: it ignores such an alarm for the whole deployment."""
    with pytest.raises(PreconditionError, match="in ALARM already: errors"):
        told(shop, "alarm_before_the_start")
    assert not shop.sim.asked("UpdateService")


def test_06_an_alarm_that_goes_off_meanwhile_takes_it_back(shop: Shop) -> None:
    outcome, said = told(shop, "alarm_rollback")
    assert isinstance(outcome, RolledBack)
    assert outcome.reasons[0].what == ("ECS rolled it back: ECS deployment alarm: alarm detected.")
    assert any("deployment failed: alarm detected" in line for line in said)


def test_07_early_success_is_not_believed_while_old_tasks_run(shop: Shop) -> None:
    outcome, _ = told(shop, "early_success")
    assert outcome == PROVEN
    assert running(shop) == {digest("next")}


def test_a_completed_deployment_on_another_digest_is_a_failure(shop: Shop) -> None:
    outcome, _ = told(shop, "another_digest")
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == (f"web runs {'0' * 12}, not {digest('next').short}")
