"""What a target leaves out comes from its stack's outputs, as the ledger keeps them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shipit.delivery.outputs import filled
from shipit.errors import PreconditionError
from shipit.model.pipeline import EcsTarget, TargetSettings
from shipit.model.stack import StackRecord
from shipit.model.state import State


def state(**outputs: Any) -> State:
    return State(stacks={"staging": StackRecord(outputs, datetime.now(UTC), "ada")})


def ecs(**settings: Any) -> TargetSettings:
    return TargetSettings(ecs=EcsTarget(stack="staging", **settings))


def test_outputs_complete_what_is_left_out_and_replace_nothing() -> None:
    found = filled(
        ecs(region="eu-west-1"),
        "staging",
        "staging",
        state(region="us-east-1", cluster="shop", subnets=["subnet-1"], something_else=3),
    ).settings
    assert found == EcsTarget(
        stack="staging", region="eu-west-1", cluster="shop", subnets=("subnet-1",)
    )


@pytest.mark.parametrize(
    ("said", "output"),
    [
        ({"launch_type": "fargate"}, {"capacity_providers": {"FARGATE_SPOT": 1}}),
        ({"subnet_tags": {"Name": "own-*"}}, {"subnets": ["subnet-1"]}),
        ({"security_group_tags": {"Name": "own"}}, {"security_groups": ["sg-1"]}),
    ],
)
def test_what_is_said_by_another_setting_is_not_left_out(
    said: dict[str, Any], output: dict[str, Any]
) -> None:
    found = filled(ecs(**said), "staging", "staging", state(**output)).settings
    assert found == EcsTarget(stack="staging", **said)


def test_a_stack_that_is_not_provisioned_says_what_to_do() -> None:
    with pytest.raises(PreconditionError) as raised:
        filled(ecs(), "staging", "staging", State())
    assert raised.value.next_step == "`shipit provision --env staging`"


def test_an_output_of_another_type_is_refused() -> None:
    with pytest.raises(PreconditionError, match="an output of stack staging"):
        filled(ecs(), "staging", "staging", state(subnets="subnet-1"))
