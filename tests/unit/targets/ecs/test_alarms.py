"""CloudWatch's alarms: asked again just before a change, and no obstacle on the way back."""

from typing import Any

import pytest
from msgspec.structs import replace

from shipit.errors import PreconditionError
from shipit.model.progress import Failed, Succeeded
from tests.unit.targets.ecs.conftest import PLAIN, Shop, digest

WATCHED: dict[str, Any] = {"web": {**PLAIN, "x-ecs": {"alarms": ["errors"]}}}


@pytest.fixture
def watched(shop: Shop) -> Shop:
    """Version 1 runs, and `errors` is quiet."""
    shop.rings("errors", on=False)
    _, _, outcome = shop.deploy(shop.desired(WATCHED))
    assert isinstance(outcome, Succeeded)
    return shop


def updates(shop: Shop) -> int:
    return len(shop.sim.asked("UpdateService"))


def test_06_an_alarm_that_goes_off_after_the_plan_still_stops_it(watched: Shop) -> None:
    target = watched.target()
    plan = target.plan(watched.desired(WATCHED, version="2"), target.observe())
    target.preflight(plan)
    watched.rings("errors")
    with pytest.raises(PreconditionError, match="in ALARM already: errors"):
        target.apply(plan)
    assert not updates(watched)


def test_06_nothing_comes_between_the_last_look_and_the_update(watched: Shop) -> None:
    asked = watched.around.asked
    asked.clear()
    watched.deploy(watched.desired(WATCHED, version="2"))
    looks = [parameters for operation, parameters in asked if operation == "DescribeAlarms"]
    assert looks == [{"AlarmNames": ["errors"]}] * 2  # once for the plan, once before the update
    reached = [r.operation for r in watched.sim.requests]
    assert reached[reached.index("UpdateService") - 1] == "RegisterTaskDefinition"


def test_06_the_way_back_is_not_refused_by_what_rings(watched: Shop) -> None:
    """The alarm ends the deployment, and rings on while shipit goes back."""
    watched.sim.once_written(20, lambda: watched.rings("errors"))
    _, _, outcome = watched.deploy(watched.desired(WATCHED, version="2"))
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == "ECS deployment alarm: alarm detected."
    with pytest.raises(PreconditionError, match="in ALARM already"):
        watched.deploy(watched.desired(WATCHED, version="3"))
    _, _, outcome = watched.deploy(replace(watched.desired(WATCHED), back=True))
    assert outcome == Succeeded({"web": digest("1")})


def test_06_an_unchanged_service_is_not_held_up(watched: Shop) -> None:
    watched.rings("errors")
    _, _, outcome = watched.deploy(watched.desired(WATCHED))
    assert isinstance(outcome, Succeeded)


def test_06_alarms_that_may_not_be_looked_at_stop_it(watched: Shop) -> None:
    """Unknown is not quiet."""
    watched.around.refused.add("DescribeAlarms")
    with pytest.raises(PreconditionError, match="AccessDenied") as raised:
        watched.deploy(watched.desired(WATCHED, version="2"))
    assert raised.value.next_step == "let this identity call cloudwatch:DescribeAlarms"
    assert not updates(watched)
