"""A rollback brings the whole service back; never are too few tasks healthy on the way."""

from typing import Any

import pytest
from msgspec.structs import replace

from shipit.model.progress import RolledBack, Succeeded
from tests.fakes.ecs import ends, lifecycle
from tests.unit.targets.ecs.conftest import PLAIN, Shop, digest

GROUP = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/{}/0123456789abcdef"
KEPT = (
    *("loadBalancers", "healthCheckGracePeriodSeconds", "deploymentConfiguration"),
    *("networkConfiguration", "desiredCount", "enableExecuteCommand"),
)


def web(group: str = "", grace: str = "", **deploy: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"exec": bool(group)}
    if group:
        said["load_balancers"] = [{"target_group": GROUP.format(group), "port": 8080}]
    if grace:
        said["health_check_grace_period"] = grace
    return {"web": {**PLAIN, "deploy": deploy, "x-ecs": said}}


BEFORE = web("blue", "1m", replicas=3, update_config={"order": "stop-first", "parallelism": 1})
AFTERS = {
    "other settings": web("green", "5m", replicas=1, update_config={"parallelism": 1}),
    "nothing left of them": web(),
}


def settings(service: dict[str, Any]) -> dict[str, Any]:
    """All that a service has beside its revision."""
    return {key: service.get(key) for key in KEPT}


@pytest.mark.parametrize("after", AFTERS.values(), ids=AFTERS.keys())
def test_12_the_way_back_restores_counts_traffic_and_settings(
    shop: Shop, after: dict[str, Any]
) -> None:
    shop.deploy(shop.desired(BEFORE))
    was = shop.service()
    shop.deploy(shop.desired(after, version="2"))
    changed = settings(shop.service())
    assert changed != settings(was)
    _, _, outcome = shop.deploy(replace(shop.desired(BEFORE), back=True))
    assert outcome == Succeeded({"web": digest("1")})
    assert settings(shop.service()) == settings(was)


def test_12_what_ecs_itself_leaves_behind_is_restored_too(shop: Shop) -> None:
    """Its circuit breaker takes the revision back, and not the service's settings."""
    shop.deploy(shop.desired(BEFORE))
    was = shop.service()
    shop.behaves("2", ends(1))
    breaking = web("blue", "5m", replicas=4, update_config={"failure_action": "rollback"})
    _, _, outcome = shop.deploy(shop.desired(breaking, version="2"))
    assert isinstance(outcome, RolledBack)
    left = shop.service()
    assert left["taskDefinition"] == was["taskDefinition"]
    assert (left["healthCheckGracePeriodSeconds"], left["desiredCount"]) == (300, 4)
    _, _, outcome = shop.deploy(replace(shop.desired(BEFORE), back=True))
    assert outcome == Succeeded({"web": digest("1")})
    assert settings(shop.service()) == settings(was)
    assert shop.service()["taskDefinition"] == was["taskDefinition"]


@pytest.mark.parametrize(
    ("update", "least"),
    [({}, 4), ({"parallelism": 1}, 4), ({"order": "stop-first", "parallelism": 1}, 3)],
    ids=["all beside all", "one beside all", "one after one"],
)
def test_13_the_new_serve_before_the_old_go(shop: Shop, update: dict[str, Any], least: int) -> None:
    """Behind a load balancer: in service, and not only running."""
    shop.deploy(shop.desired(web("blue", replicas=4, update_config=update)))
    seen: list[int] = []
    tasks = shop.sim.world.tasks

    def count(_: Any) -> None:
        seen.append(sum(lifecycle.is_healthy(t, shop.sim.world) for t in tasks.values()))

    shop.sim.clock.listeners.append(count)
    changed = shop.desired(web("blue", replicas=4, update_config=update), version="2")
    _, _, outcome = shop.deploy(changed)
    assert outcome == Succeeded({"web": digest("2")})
    assert len(seen) > 8  # four came and four went
    assert min(seen) >= least


def test_13_a_target_group_is_never_deleted(shop: Shop) -> None:
    """Nor is anything sent elsewhere: shipit is not even allowed to."""
    needed = shop.target().permissions(shop.desired(BEFORE), "111122223333")
    actions = {action for permission in needed for action in permission.actions}
    assert {a for a in actions if a.startswith("elasticloadbalancing:")} == {
        "elasticloadbalancing:DescribeTargetGroups"
    }
