"""`shipit gc` on ECS: what nothing needs any more, and nothing else."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from shipit.errors import PreconditionError, RemoteError
from tests.unit.targets.ecs.conftest import PLAIN, Shop

DELETING = {"DeregisterTaskDefinition", "DeleteTaskDefinitions"}


def revisions(shop: Shop, family: str = "shop-dev-web") -> list[int]:
    return [d.revision for d in shop.sim.world.definitions[family] if d.body["status"] == "ACTIVE"]


def deployed(shop: Shop, *versions: str) -> None:
    for version in versions:
        shop.deploy(shop.desired(version=version))


def test_08_and_09_what_nothing_uses_goes_and_the_newest_stay(shop: Shop) -> None:
    """Failure modes 8 and 9: orphans are pruned, and never what runs."""
    deployed(shop, *"123456")
    found = shop.target().leftovers([], 2)
    assert [one.name for one in found] == [f"shop-dev-web:{n}" for n in (3, 2, 1)]
    assert not DELETING & {r.operation for r in shop.sim.requests}
    assert [*shop.target().clear(found)] == [one.name for one in found]
    assert revisions(shop) == [4, 5, 6]
    assert shop.target().leftovers([], 2) == []


def test_35_what_a_rollback_would_go_back_to_stays(shop: Shop) -> None:
    """Failure mode 35."""
    deployed(shop, *"1234")
    found = shop.target().leftovers(["r2"], 0)
    assert [one.name for one in found] == ["shop-dev-web:3", "shop-dev-web:1"]


def test_35_another_environments_revisions_are_not_ours(shop: Shop) -> None:
    """A prefix that begins alike, and a revision that somebody else registered."""
    deployed(shop, *"12")
    shop.settings = replace(shop.settings, prefix="shop-dev-web")
    deployed(shop, *"34")
    shop.settings = replace(shop.settings, prefix="")
    for arn in [d.arn for d in shop.sim.world.definitions["shop-dev-web"]]:
        shop.sim.world.tags[arn] = []
    assert [one.name for one in shop.target().leftovers([], 0)] == ["shop-dev-web-web:1"]


def test_08_what_another_cluster_runs_stays(shop: Shop) -> None:
    """Failure mode 8: the family's name does not say which clusters have it."""
    shop.sim.world.clusters["other"] = type(shop.sim.world.clusters["prod"])(
        "other", shop.sim.world.arn("cluster", "other")
    )
    deployed(shop, "1")
    here, shop.settings = shop.settings, replace(shop.settings, cluster="other")
    deployed(shop, "2")
    shop.settings = here
    deployed(shop, "3")
    assert [one.name for one in shop.target().leftovers([], 0)] == ["shop-dev-web:1"]


def test_08_what_a_task_a_schedule_or_a_rule_has_stays(shop: Shop) -> None:
    deployed(shop, *"1234")
    arn = {d.revision: d.arn for d in shop.sim.world.definitions["shop-dev-web"]}
    shop.scheduler.by_hand("nightly", {"EcsParameters": {"TaskDefinitionArn": arn[1]}})
    shop.around.rules["hourly"] = arn[2]
    assert [one.name for one in shop.target().leftovers([], 0)] == ["shop-dev-web:3"]


def test_a_service_that_is_gone_leaves_its_newest(shop: Shop) -> None:
    shop.deploy(shop.desired({"web": PLAIN, "worker": {}}))
    shop.deploy(shop.desired(version="2"))
    assert [one.name for one in shop.target().leftovers([], 0)] == ["shop-dev-web:1"]


@pytest.mark.parametrize(
    "said",
    [
        {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "Input": '{"TaskDefinition": "{it}"}'},
        {"EcsParameters": {"TaskDefinitionArn": "{arn}"}},
    ],
)
def test_08_a_schedule_counts_in_whatever_form_it_names_a_revision(
    shop: Shop, said: dict[str, object]
) -> None:
    deployed(shop, *"123")
    arn = shop.sim.world.definitions["shop-dev-web"][0].arn
    text = json.dumps(said).replace("{it}", "shop-dev-web:1").replace("{arn}", arn)
    for name in ("a", "b"):  # it is on the second page
        shop.scheduler.by_hand(name, {"EcsParameters": {"TaskDefinitionArn": "other"}})
    shop.scheduler.by_hand("c", json.loads(text))
    assert [one.name for one in shop.target().leftovers([], 0)] == ["shop-dev-web:2"]


def test_08_what_may_not_be_looked_at_ends_it(shop: Shop) -> None:
    """Failure mode 8: not knowing is not "unused"."""
    deployed(shop, *"123")
    shop.around.refused.add("ListRuleNamesByTarget")
    with pytest.raises(RemoteError, match="events:ListRuleNamesByTarget"):
        shop.target().leftovers([], 0)


def test_08_nothing_goes_while_ecs_is_in_the_middle(shop: Shop) -> None:
    deployed(shop, *"12")
    target = shop.target()
    target.apply(target.plan(shop.desired(version="3"), target.observe()))
    with pytest.raises(PreconditionError, match="in the middle of a deployment of shop-dev-web"):
        shop.target().leftovers([], 0)


def test_09_what_a_killed_clean_up_left_is_finished(shop: Shop) -> None:
    """Deregistered, and then killed before the deletion."""
    deployed(shop, *"123")
    shop.sim.refuse("DeleteTaskDefinitions", "AccessDeniedException", "killed here")
    found = shop.target().leftovers([], 1)
    with pytest.raises(RemoteError):
        list(shop.target().clear(found))
    assert revisions(shop) == [2, 3]
    (left,) = shop.target().leftovers([], 1)
    assert (left.name, left.why) == ("shop-dev-web:1", "of release r1, deregistered already")
    assert [*shop.target().clear([left])] == ["shop-dev-web:1"]
    assert shop.target().leftovers([], 1) == []


def test_09_the_deployment_that_made_an_orphan_is_named(shop: Shop) -> None:
    shop.deploy(replace(shop.desired(), deployment="7"))
    deployed(shop, "2")
    assert [one.why for one in shop.target().leftovers([], 0)] == ["of release r1, deployment 7"]


def test_many_go_ten_at_a_time(shop: Shop) -> None:
    deployed(shop, "1")
    body = shop.sim.asked("RegisterTaskDefinition")[0]
    for _ in range(23):
        shop.sim.call("RegisterTaskDefinition", **body)
    found = shop.target().leftovers([], 0)
    assert len([*shop.target().clear(found)]) == 22  # one runs, and one is the newest
    assert [len(asked["taskDefinitions"]) for asked in shop.sim.asked("DeleteTaskDefinitions")] == [
        *(10, 10, 2)
    ]


def test_08_what_a_task_of_nobodys_service_runs_stays(shop: Shop) -> None:
    deployed(shop, *"123")
    shop.sim.call(
        "RunTask",
        cluster="prod",
        taskDefinition="shop-dev-web:1",
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-0a1"]}},
    )
    assert [one.name for one in shop.target().leftovers([], 0)] == ["shop-dev-web:2"]


@pytest.mark.parametrize("where", ["deployments", "taskSets"])
def test_08_what_a_deployment_or_a_task_set_has_stays(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """An older deployment that drains, and CodeDeploy's task sets, which the simulation has not."""
    deployed(shop, *"123")
    older = {
        "taskDefinition": shop.sim.world.definitions["shop-dev-web"][0].arn,
        "status": "ACTIVE",
    }
    target = shop.target()
    answer = target._cloud.call

    def call(api: str, operation: str, /, **asked: Any) -> dict[str, Any]:
        said = answer(api, operation, **asked)
        for service in said["services"] if operation == "describe_services" else ():
            service[where] = [*service.get(where, ()), older]
        return said

    monkeypatch.setattr(target._cloud, "call", call)
    assert [one.name for one in target.leftovers([], 0)] == ["shop-dev-web:2"]
