"""`shipit gc` on ECS: what nothing needs any more, and nothing else."""

from msgspec.structs import replace

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
    shop.around.schedules["nightly"] = arn[1]
    shop.around.rules["hourly"] = arn[2]
    assert [one.name for one in shop.target().leftovers([], 0)] == ["shop-dev-web:3"]


def test_a_service_that_is_gone_leaves_its_newest(shop: Shop) -> None:
    shop.deploy(shop.desired({"web": PLAIN, "worker": {}}))
    shop.deploy(shop.desired(version="2"))
    assert [one.name for one in shop.target().leftovers([], 0)] == ["shop-dev-web:1"]
