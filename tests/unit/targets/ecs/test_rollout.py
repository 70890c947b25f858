"""What reaches ECS in a deployment, and what is proven by it."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from shipit.errors import ConfigurationError, PreconditionError
from shipit.model.deployment import Action, Health
from shipit.model.progress import Failed, Succeeded
from tests.fakes.ecs import ends
from tests.unit.targets.ecs.conftest import PLAIN, REGISTRY, SETTINGS, Shop, digest

POLLING = ("DescribeServices", "ListTasks", "DescribeTasks")


def asked(shop: Shop, start: int) -> list[str]:
    return [r.operation for r in shop.sim.requests[start:]]


def test_a_first_deployment_an_update_and_nothing_to_do(shop: Shop) -> None:
    plan, _, outcome = shop.deploy(shop.desired())
    assert [(c.service, c.action, c.why) for c in plan.changes] == [
        ("web", Action.CREATE, "not there yet")
    ]
    assert outcome == Succeeded({"web": digest("1")})
    plan, _, outcome = shop.deploy(shop.desired(version="2"))
    old, new = digest("1"), digest("2")
    assert [(c.action, c.why, c.diff) for c in plan.changes] == [
        (
            Action.UPDATE,
            f"its image changes from {old.short} to {new.short}",
            (
                f"- web.image: {REGISTRY}/web@{old}",
                f"+ web.image: {REGISTRY}/web@{new}",
            ),
        )
    ]
    assert outcome == Succeeded({"web": new})
    plan, _, outcome = shop.deploy(shop.desired(version="2"))
    assert [(c.action, c.why) for c in plan.changes] == [(Action.KEEP, "unchanged")]
    assert outcome == Succeeded({"web": new})


def test_04_a_first_deployment_says_that_ecs_has_nothing_to_go_back_to(shop: Shop) -> None:
    note = "services.web: its first deployment, so ECS has nothing to go back to"
    plan, _, _ = shop.deploy(shop.desired())
    assert note in plan.notes
    plan, _, _ = shop.deploy(shop.desired(version="2"))
    assert note not in plan.notes


def test_the_calls_of_an_unchanged_service_and_of_a_changed_one(shop: Shop) -> None:
    """One listing for the environment; four for the service, and three more to change it."""
    shop.deploy(shop.desired())
    start = len(shop.sim.requests)
    shop.deploy(shop.desired())
    reading = ["ListServices", "DescribeServices", "DescribeTaskDefinition"]
    assert asked(shop, start) == [*reading, "ListTasks", "DescribeTasks"]
    assert not shop.around.asked[1:]  # the log group of the first deployment alone
    start = len(shop.sim.requests)
    shop.deploy(shop.desired(version="2"))
    made = asked(shop, start)
    changing = ["DescribeServices", "RegisterTaskDefinition", "UpdateService"]
    assert made[:8] == [*reading, "ListTasks", "DescribeTasks", *changing]
    assert set(made[8:]) <= set(POLLING)


def test_the_calls_of_twenty_services_unchanged_and_changed(shop: Shop) -> None:
    """At most four for one that does not change, the listing included, and eight for one that does
    before the polling."""
    several = {f"s{n:02}": PLAIN for n in range(20)}
    shop.deploy(shop.desired(several))
    start = len(shop.sim.requests)
    shop.deploy(shop.desired(several))
    assert Counter(asked(shop, start)) == {
        "ListServices": 1,
        "DescribeServices": 2,
        "DescribeTaskDefinition": 20,
        "ListTasks": 20,
        "DescribeTasks": 1,
    }
    start = len(shop.sim.requests)
    shop.deploy(shop.desired(several, version="2"))
    made = asked(shop, start)
    before = made[: len(made) - made[::-1].index("UpdateService")]
    assert Counter(before)["RegisterTaskDefinition"] == Counter(before)["UpdateService"] == 20
    assert len(before) <= 8 * 20
    assert set(made[len(before) :]) <= set(POLLING)


def test_11_twenty_services_are_polled_ten_at_a_time(shop: Shop) -> None:
    several = {f"s{n:02}": PLAIN for n in range(20)}
    shop.deploy(shop.desired(several))
    batches = [len(asked["services"]) for asked in shop.sim.asked("DescribeServices")]
    assert set(batches) == {10}


def test_37_polling_is_constant(shop: Shop) -> None:
    shop.deploy(shop.desired())
    looks = [r.at for r in shop.sim.requests if r.operation == "DescribeServices"][1:]
    gaps = [later - earlier for earlier, later in pairwise(looks)]
    assert all(1.8 <= gap <= 2.2 for gap in gaps if gap)
    assert len(set(gaps)) > 1  # jittered


def test_37_from_completed_to_the_end_is_one_poll(shop: Shop) -> None:
    shop.deploy(shop.desired())
    completed = shop.sim.world.services["prod", "shop-dev-web"].primary.updated
    assert shop.clock() - completed <= 2.2


def test_14_an_image_reaches_ecs_by_its_digest(shop: Shop) -> None:
    shop.deploy(shop.desired({"web": PLAIN, "worker": {}}))
    images = {
        container["image"]
        for made in shop.sim.asked("RegisterTaskDefinition")
        for container in made["containerDefinitions"]
    }
    assert images == {f"{REGISTRY}/{n}@{digest('1')}" for n in ("web", "worker")}


def test_09_revisions_and_services_say_whose_they_are(shop: Shop) -> None:
    shop.deploy(replace(shop.desired(), deployment="42"))
    made = shop.sim.asked("RegisterTaskDefinition")[0]
    assert {t["key"]: t["value"] for t in made["tags"]} == {
        "shipit:app": "shop",
        "shipit:environment": "dev",
        "shipit:service": "web",
        "shipit:release": "r1",
        "shipit:deployment": "42",
    }
    assert shop.target().observe().services["web"].release_id == "r1"


def test_08_nothing_is_deregistered_in_a_deployment(shop: Shop) -> None:
    for version in ("1", "2"):
        shop.deploy(shop.desired({"web": PLAIN, "worker": {}}, version=version))
    shop.deploy(shop.desired(version="3"))
    made = {r.operation for r in shop.sim.requests}
    assert not made & {"DeregisterTaskDefinition", "DeleteTaskDefinitions"}


def test_34_a_count_that_an_autoscaler_owns_is_not_sent(shop: Shop) -> None:
    shop.deploy(shop.desired())
    shop.sim.call("UpdateService", cluster="prod", service="shop-dev-web", desiredCount=5)
    shop.sim.clock.advance(60)
    shop.around.scaled.add("shop-dev-web")
    plan, _, outcome = shop.deploy(shop.desired(version="2"))
    assert outcome == Succeeded({"web": digest("2")})
    assert "desiredCount" not in shop.sim.asked("UpdateService")[-1]
    assert shop.service()["desiredCount"] == 5
    assert "services.web: 5 run, not 1; an autoscaler owns the count, so it stays" in plan.notes


def test_34_where_scaling_may_not_be_looked_at_the_count_stays(shop: Shop) -> None:
    shop.deploy(shop.desired())
    shop.sim.call("UpdateService", cluster="prod", service="shop-dev-web", desiredCount=2)
    shop.around.refused.add("DescribeScalableTargets")
    plan, _, _ = shop.deploy(shop.desired(version="2"))
    assert "desiredCount" not in shop.sim.asked("UpdateService")[-1]
    assert any("an autoscaler may own the count" in note for note in plan.notes)


def test_34_a_count_that_somebody_set_is_put_right_where_nothing_scales(shop: Shop) -> None:
    shop.deploy(shop.desired())
    shop.sim.call("UpdateService", cluster="prod", service="shop-dev-web", desiredCount=2)
    shop.sim.clock.advance(60)
    plan, _, _ = shop.deploy(shop.desired())
    assert [(c.action, c.why) for c in plan.changes] == [(Action.UPDATE, "2 replicas, not 1")]
    assert shop.service()["desiredCount"] == 1


def test_34_more_replicas_are_not_sent_over_an_autoscaler(shop: Shop) -> None:
    shop.deploy(shop.desired())
    shop.around.scaled.add("shop-dev-web")
    _, said, _ = shop.deploy(shop.desired({"web": {**PLAIN, "deploy": {"replicas": 3}}}))
    assert said[0].message == "web: an autoscaler owns the count, so it stays"
    assert "desiredCount" not in shop.sim.asked("UpdateService")[-1]


def test_36_a_failure_tells_the_last_lines_of_the_log(shop: Shop) -> None:
    shop.behaves("1", ends(7))

    def write(task: Any) -> None:
        shop.around.lines[f"/ecs/shop-dev:web/web/{task.id}"] = [f"line {n}" for n in range(30)]

    shop.sim.clock.listeners.append(write)
    _, _, outcome = shop.deploy(shop.desired())
    assert isinstance(outcome, Failed)
    reason = outcome.reasons[0]
    assert "web exited with code 7" in reason.what
    assert reason.logs == tuple(f"line {n}" for n in range(10, 30))


def test_12_the_way_back_restores_the_whole_service(shop: Shop) -> None:
    """Not the revision alone: health checks, network, percentages and grace period with it."""
    before = {
        "web": {
            **PLAIN,
            "healthcheck": {"test": ["CMD", "/check"], "interval": "10s"},
            "deploy": {"replicas": 2, "update_config": {"order": "stop-first"}},
        }
    }
    shop.deploy(shop.desired(before))
    was = shop.service()
    shop.deploy(shop.desired({"web": {**PLAIN, "deploy": {"replicas": 1}}}, version="2"))
    assert shop.service()["deploymentConfiguration"] != was["deploymentConfiguration"]
    plan, _, outcome = shop.deploy(shop.desired(before))
    assert isinstance(outcome, Succeeded)
    now = shop.service()
    for key in ("deploymentConfiguration", "networkConfiguration", "desiredCount"):
        assert now[key] == was[key]
    assert "+ web.healthCheck.interval: 10" in plan.changes[0].diff


def test_12_the_way_back_goes_from_capacity_providers_to_the_launch_type(shop: Shop) -> None:
    shop.deploy(shop.desired())
    shop.settings = replace(SETTINGS, capacity_providers={"FARGATE": 1, "FARGATE_SPOT": 3})
    plan, _, outcome = shop.deploy(shop.desired())
    assert "- service.launchType: FARGATE" in plan.changes[0].diff
    assert isinstance(outcome, Succeeded)
    chosen = {c["capacityProvider"] for c in shop.service()["capacityProviderStrategy"]}
    assert chosen == {"FARGATE", "FARGATE_SPOT"}

    shop.settings = SETTINGS
    _, _, outcome = shop.deploy(shop.desired())
    assert isinstance(outcome, Succeeded)
    now = shop.service()
    assert (now["launchType"], now.get("capacityProviderStrategy")) == ("FARGATE", None)
    plan, _, _ = shop.deploy(shop.desired())
    assert plan.changes[0].action is Action.KEEP


def test_a_service_that_is_gone_from_the_release_is_removed(shop: Shop) -> None:
    shop.deploy(shop.desired({"web": PLAIN, "worker": {}}))
    plan, _, outcome = shop.deploy(shop.desired())
    assert ("worker", Action.REMOVE) in [(c.service, c.action) for c in plan.changes]
    assert isinstance(outcome, Succeeded)
    assert set(shop.target().observe().services) == {"web"}


def test_another_environments_service_is_never_touched(shop: Shop) -> None:
    """`shop-dev-eu` begins as `shop-dev` does."""
    shop.deploy(shop.desired({"web": PLAIN}))
    other = shop.desired({"web": PLAIN})
    arn = shop.service()["serviceArn"]
    tags = [{"key": "shipit:environment", "value": "dev-web"}]
    shop.sim.call("TagResource", resourceArn=arn, tags=tags)
    assert shop.target().observe().services == {}
    assert [c.action for c in shop.target().plan(other, shop.target().observe()).changes] == [
        Action.CREATE
    ]


def test_a_plan_holds_only_for_what_was_observed(shop: Shop) -> None:
    shop.deploy(shop.desired())
    target = shop.target()
    plan = target.plan(shop.desired(version="2"), target.observe())
    shop.deploy(shop.desired(version="3"))
    before = len(shop.sim.asked("UpdateService"))
    with pytest.raises(PreconditionError, match="has changed since it was planned"):
        target.apply(plan)
    assert len(shop.sim.asked("UpdateService")) == before


def test_what_ecs_does_not_take_has_changed_nothing(shop: Shop) -> None:
    shop.deploy(shop.desired())
    shop.sim.refuse("RegisterTaskDefinition", "ClientException", "that is no memory")
    with pytest.raises(PreconditionError, match="that is no memory"):
        shop.deploy(shop.desired(version="2"))
    assert not shop.sim.asked("UpdateService")


def test_a_service_that_ecs_refuses_after_another_changed_is_a_failure(shop: Shop) -> None:
    both = {"web": PLAIN, "worker": {}}
    shop.deploy(shop.desired(both))
    target = shop.target()
    plan = target.plan(shop.desired(both, version="2"), target.observe())
    answer = target._cloud.call

    def call(api: str, operation: str, /, **asked: Any) -> dict[str, Any]:
        if operation == "update_service" and asked["service"] == "shop-dev-worker":
            shop.sim.refuse("UpdateService", "InvalidParameterException", "not so")
        return answer(api, operation, **asked)

    target._cloud.call = call  # type: ignore[method-assign]
    *_, outcome = target.follow(target.apply(plan))
    assert isinstance(outcome, Failed)
    assert [r.subject for r in outcome.reasons] == ["worker"]
    assert "not so" in outcome.reasons[0].what


def test_an_interrupted_deployment_is_taken_up_where_it_is(shop: Shop) -> None:
    shop.deploy(shop.desired())
    target = shop.target()
    target.apply(target.plan(shop.desired(version="2"), target.observe()))
    plan, _, outcome = shop.deploy(shop.desired(version="2"))
    assert not plan.changed
    assert outcome == Succeeded({"web": digest("2")})
    assert len(shop.sim.asked("UpdateService")) == 1


def test_health_while_it_starts_and_after(shop: Shop) -> None:
    target = shop.target()
    target.apply(target.plan(shop.desired(), target.observe()))
    assert target.observe().services["web"].health is Health.STARTING
    shop.sim.clock.advance(60)
    seen = target.observe().services["web"]
    assert (seen.health, seen.running, seen.images) == (Health.HEALTHY, 1, (digest("1"),))


def test_no_cluster_is_one_clear_sentence(shop: Shop) -> None:
    shop.settings = replace(shop.settings, cluster="prdo")
    with pytest.raises(PreconditionError, match="there is no ECS cluster prdo in eu-west-1"):
        shop.target().observe()


def test_a_lost_answer_makes_no_second_service_and_no_second_deployment(shop: Shop) -> None:
    shop.sim.lose_answer("CreateService")
    _, _, outcome = shop.deploy(shop.desired())
    assert isinstance(outcome, Succeeded)
    shop.sim.lose_answer("UpdateService")
    _, _, outcome = shop.deploy(shop.desired(version="2"))
    assert outcome == Succeeded({"web": digest("2")})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"launch_type": "fargate", "capacity_providers": {"FARGATE": 1}},
            "capacity_providers: launch_type and capacity_providers are both here",
        ),
        ({"subnet_tags": {"Name": "a"}}, "subnet_tags: subnets and subnet_tags are both here"),
        (
            {"launch_type": "ec2", "assign_public_ip": True},
            "assign_public_ip: only Fargate gives tasks a public address",
        ),
        ({"subnets": ()}, "subnets: Fargate tasks need subnets, and none is named or found"),
    ],
)
def test_settings_that_do_not_agree_are_refused_before_anything(
    shop: Shop, settings: dict[str, Any], says: str
) -> None:
    shop.settings = replace(shop.settings, **settings)
    with pytest.raises(ConfigurationError) as raised:
        shop.deploy(shop.desired())
    assert f"environments.dev.target.ecs.{says}" in str(raised.value)
    assert not shop.sim.asked("RegisterTaskDefinition")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"deploymentController": {"type": "EXTERNAL"}}, "is deployed by EXTERNAL"),
        ({"launchType": "EC2"}, "has launchType EC2, not FARGATE"),
        ({"schedulingStrategy": "DAEMON"}, "has schedulingStrategy DAEMON, not REPLICA"),
    ],
)
def test_a_service_that_cannot_be_changed_so_is_refused(
    shop: Shop, settings: dict[str, Any], says: str
) -> None:
    shop.deploy(shop.desired())
    shop.sim.world.services["prod", "shop-dev-web"].settings.update(settings)
    with pytest.raises(PreconditionError, match=says):
        shop.deploy(shop.desired(version="2"))
    assert not shop.sim.asked("UpdateService")
