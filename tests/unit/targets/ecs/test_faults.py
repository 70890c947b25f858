"""Throttled calls, answers that are ten seconds old: every story ends as it does without them."""

from collections.abc import Callable
from functools import partial

import pytest

from shipit.model.progress import Failed, RolledBack, Succeeded, Superseded
from tests.fakes.ecs import stories
from tests.unit.targets.ecs.conftest import Shop, digest
from tests.unit.targets.ecs.test_stories import running, told

ENDS: dict[str, type] = {
    "alarm_rollback": RolledBack,
    "another_digest": Failed,
    "breaker_without_rollback": Failed,
    "capacity_never_comes": Failed,
    "circuit_breaker_rollback": RolledBack,
    "crash_loop": Failed,
    "early_success": Succeeded,
    "first_deployment": Succeeded,
    "first_deployment_fails": Failed,
    "image_cannot_be_pulled": RolledBack,
    "no_breaker": Failed,
    "out_of_memory": RolledBack,
    "rollback_keeps_id": RolledBack,
    "rollback_requested": RolledBack,
    "scaled_to_zero": Failed,
    "success": Succeeded,
    "superseded": Superseded,
    "unhealthy": RolledBack,
}


def throttled(shop: Shop) -> None:
    shop.sim.throttle_share(0.3)


def stale(shop: Shop, *, flapping: bool = False) -> None:
    shop.sim.stale(10, flapping=flapping)


def both(shop: Shop) -> None:
    throttled(shop)
    stale(shop)


FAULTS: dict[str, Callable[[Shop], object]] = {
    "none": lambda _: None,
    "throttled": throttled,
    "stale": stale,
    "stale in every second answer": partial(stale, flapping=True),
    "both": both,
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("name", ENDS)
def test_10_11_faults_change_nothing_but_the_time(
    shop: Shop, name: str, faults: Callable[[Shop], object]
) -> None:
    outcome, _ = told(shop, name, faults)
    assert type(outcome) is ENDS[name]
    assert isinstance(outcome, Succeeded) is stories.read(name).succeeds
    if isinstance(outcome, Succeeded):
        assert running(shop) == {digest("next")}


def test_no_story_is_left_out() -> None:
    """The others are told elsewhere: refused before the start, with two good ends, or themselves
    about one of these faults."""
    elsewhere = {"alarm_before_the_start", "desired_zero", "rollback_fails"}
    assert set(ENDS) | elsewhere | {"stale_reads", "throttled"} == set(stories.names())
