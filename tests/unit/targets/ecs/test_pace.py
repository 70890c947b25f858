"""How often one account is asked, by a clock that only waiting moves."""

from collections import Counter
from itertools import count
from typing import Any

import pytest
from botocore import xform_name
from botocore.credentials import Credentials
from msgspec.structs import replace

from shipit.model.progress import Succeeded
from shipit.targets.ecs import pace
from shipit.targets.ecs.cloud import Cloud
from shipit.targets.ecs.target import EcsCluster
from tests.unit.targets.ecs.conftest import Shop, digest

# AWS's own: docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
DOCUMENTED = {
    "list_services": (100, 20),
    "describe_services": (100, 20),
    "list_tasks": (100, 20),
    "describe_task_definition": (50, 20),
    "register_task_definition": (20, 1),
    "update_service": (50, 5),
    "run_task": (100, 40),
    "tag_resource": (20, 10),
    "delete_task_definitions": (5, 1),
}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now


def moments(clock: Clock, operation: str, calls: int, **where: str) -> list[float]:
    """When each of so many calls is made by one who waits for its turn."""
    place = {"account": "1", "region": "eu-west-1", "api": "ecs"} | where
    made = []
    for _ in range(calls):
        clock.now += pace.turn(
            place["account"], place["region"], place["api"], operation, clock.read
        )
        made.append(clock.now)
    return made


@pytest.mark.parametrize("operation", DOCUMENTED)
def test_11_calls_stay_under_what_aws_documents(operation: str) -> None:
    burst, steady = DOCUMENTED[operation]
    made = moments(Clock(), operation, 300)
    for start in made:
        for seconds in (1, 5, 30):
            within = sum(start <= at < start + seconds for at in made)
            assert within <= burst * 0.81 + steady * 0.81 * seconds + 1


def test_a_few_calls_do_not_wait() -> None:
    assert moments(Clock(), "describe_services", 40) == [0.0] * 40


def test_what_was_not_used_is_there_again() -> None:
    clock = Clock()
    assert moments(clock, "describe_services", 60)[-1] == pytest.approx(1)
    clock.now += 5
    assert moments(clock, "describe_services", 50)[-1] == clock.now


@pytest.mark.parametrize(
    "other",
    [{"account": "2"}, {"region": "us-east-1"}, {"api": "logs"}],
    ids=["account", "region", "service"],
)
def test_another_ones_rate_is_its_own(other: dict[str, str]) -> None:
    clock = Clock()
    moments(clock, "describe_services", 60)
    assert pace.turn("1", "eu-west-1", "ecs", "describe_services", clock.read) > 0
    where = {"account": "1", "region": "eu-west-1", "api": "ecs"} | other
    waited = pace.turn(
        where["account"], where["region"], where["api"], "describe_services", clock.read
    )
    assert waited == 0


def test_those_who_wait_take_turns() -> None:
    """Nobody has to be lucky: each is told a moment of its own, in order."""
    clock = Clock()
    moments(clock, "update_service", 40)
    waits = [pace.turn("1", "eu-west-1", "ecs", "update_service", clock.read) for _ in range(8)]
    assert waits == pytest.approx([n * 0.25 for n in range(1, 9)])


def test_an_account_is_read_from_its_keys() -> None:
    """Roles of one account share its rate."""
    assert pace.account_of(Credentials("ASIAQNZGKIQY56JQ7WML", "secret")) == "029608264753"
    assert pace.account_of(Credentials("AKIA1", "secret")) == "AKIA1"
    assert pace.account_of(Credentials("AKIA1", "s", account_id="111122223333")) == "111122223333"
    assert pace.account_of(None) == ""


def test_11_all_targets_of_the_process_share_an_accounts_rate(shop: Shop) -> None:
    """They ask as fast as they may; the simulation's clock counts what reached it."""
    clouds = [Cloud("eu-west-1", clock=shop.clock, pause=shop.pause) for _ in range(5)]
    for number, cloud in zip(range(200), _again(clouds), strict=False):
        cloud.call("ecs", "list_services", cluster="prod", maxResults=1 + number % 100)
    seconds = Counter(int(r.at - shop.sim.requests[0].at) for r in shop.sim.requests)
    assert seconds[0] <= 61
    assert all(n <= 11 for second, n in seconds.items() if second)
    assert sum(seconds.values()) == 200


def test_11_fifty_targets_in_step_stay_under_what_aws_documents(shop: Shop) -> None:
    """Each deploys a service of its own into one account. Only waiting moves the clock here: what
    is not held back comes in one second."""
    desired = replace(shop.desired(), deadline=3600.0)
    targets = [
        EcsCluster(
            "t",
            replace(shop.settings, prefix=f"e{number:02}"),
            "dev",
            "shop",
            "/",
            clock=shop.clock,
            pause=shop.pause,
        )
        for number in range(50)
    ]
    seen = [target.observe() for target in targets]
    rollouts = [t.apply(t.plan(desired, o)) for t, o in zip(targets, seen, strict=True)]
    ends = [list(t.follow(r))[-1] for t, r in zip(targets, rollouts, strict=True)]
    assert ends == [Succeeded({"web": digest("1")})] * 50
    kinds = {xform_name(r.operation) for r in shop.sim.requests}
    assert {"describe_services", "register_task_definition"} <= kinds
    for kind in kinds & DOCUMENTED.keys():
        burst, steady = DOCUMENTED[kind]
        made = [r.at for r in shop.sim.requests if xform_name(r.operation) == kind]
        for start in made:
            within = sum(start <= at < start + 10 for at in made)
            assert within <= burst + steady * 10


def _again(clouds: list[Cloud]) -> Any:
    return (clouds[n % len(clouds)] for n in count())
