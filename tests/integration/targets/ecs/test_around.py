"""check, alarms and the network against moto's server; ECS itself is the simulation."""

import pytest
from msgspec.structs import replace

from shipit.errors import PreconditionError
from shipit.model.progress import Succeeded
from tests.integration.targets.ecs.conftest import IMAGE, Account

pytestmark = pytest.mark.aws


def test_a_sound_account_has_no_errors_and_is_deployed_to(account: Account) -> None:
    found = account.found(account.desired())
    assert not [f for f in found.values() if f.level == "error"]
    assert found["network"].what == f"1 subnets in {account.vpc}"
    assert found["log group"].what == "/ecs/shop-dev will be made"
    assert found["execution role"].level == "ok"
    target = account.target()
    plan = target.plan(account.desired(), target.observe())
    *_, outcome = target.follow(target.apply(plan))
    assert outcome == Succeeded({"web": IMAGE.digest})
    made = account.sim.asked("CreateService")[0]["networkConfiguration"]["awsvpcConfiguration"]
    assert (made["subnets"], made["securityGroups"]) == ([account.subnet], [account.group])
    groups = account.client("logs").describe_log_groups()["logGroups"]
    assert [g["logGroupName"] for g in groups] == ["/ecs/shop-dev"]
    assert account.found(account.desired())["log group"].what == "/ecs/shop-dev"


def test_tags_that_nothing_has_are_one_clear_sentence(account: Account) -> None:
    account.settings = replace(account.settings, subnet_tags={"Name": "nobody"})
    with pytest.raises(PreconditionError, match="no Subnets in eu-west-1 have the tags Name=nob"):
        account.target().observe()


def test_06_an_alarm_in_alarm_before_the_start_is_refused(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        MetricName="Errors",
        Namespace="Shop",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
    )
    desired = account.desired(**{"x-ecs": {"alarms": ["errors"]}})
    target = account.target()
    plan = target.plan(desired, target.observe())
    target.preflight(plan)
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="they are many")
    with pytest.raises(PreconditionError, match="in ALARM already: errors"):
        target.preflight(plan)
    assert not account.sim.asked("CreateService")
    assert account.found(desired)["alarms"].level == "error"
