"""What runs at its times, through a whole deployment: on record, looked at, and gone back to."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from shipit.delivery.containers import containers, remove, start, stop
from shipit.delivery.deploy import deploy
from shipit.delivery.leftovers import find
from shipit.delivery.request import Request
from shipit.delivery.verify import verify
from shipit.errors import RolledBackError
from shipit.model.pipeline import Environment
from shipit.model.release import ReleaseSummary
from shipit.targets.interface import Target
from tests.fakes.ecs import cannot_pull, runs
from tests.fakes.project import HOME, FakeProject, fails, run
from tests.fakes.scheduler import ROLE as SCHEDULER
from tests.unit.targets.ecs.conftest import SETTINGS, Shop


class EcsProject(FakeProject):
    shop: Shop

    def targets(self, environment: Environment) -> dict[str, Target]:
        return {"default": self.shop.target()}

    def built(self, name: str, *, broken: bool = False) -> ReleaseSummary:
        made = self.release(name, scheduled=["report"])
        for service, digest in made.images.items():
            behaviour = cannot_pull() if broken and service == "web" else runs()
            self.shop.sim.images[f"{HOME}/{service}@{digest}"] = behaviour
        return made


@pytest.fixture
def project(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EcsProject:
    monkeypatch.setenv("SHIPIT_ACTOR", "ada")
    shop.settings = replace(SETTINGS, scheduler_role=SCHEDULER)
    made = EcsProject(tmp_path)
    made.shop = shop
    return made


def pinned(shop: Shop) -> str:
    found: dict[str, Any] = shop.scheduler.schedules["shop-dev", "shop-dev-report"]
    return str(found["Target"]["EcsParameters"]["TaskDefinitionArn"]).rpartition("/")[2]


def test_it_is_proven_on_record_and_verified(project: EcsProject) -> None:
    made = project.built("a")
    run(deploy(project, Request("dev")))
    current = project.state().current
    assert current is not None
    assert current.services == made.images
    assert verify(project, "dev").healthy
    stop(project, "dev", ["report"], "")
    said = verify(project, "dev")
    assert [(p.subject, p.trouble) for p in said.proofs if p.trouble] == [
        ("report", "its schedule is stopped (rate(1 hour) UTC)")
    ]
    assert start(project, "dev", ["report"]) == ["report"]
    assert verify(project, "dev").healthy
    assert "report" in {row["service"] for row in containers(project, "dev")}


def test_gone_back_to_it_runs_what_ran_before(project: EcsProject, shop: Shop) -> None:
    project.built("a")
    run(deploy(project, Request("dev")))
    project.built("b", broken=True)
    fails(deploy(project, Request("dev")), RolledBackError)
    (definition,) = (
        d for d in shop.sim.world.definitions["shop-dev-report"] if d.arn.endswith(pinned(shop))
    )
    release = project.ledger.read().releases[1]
    image = definition.body["containerDefinitions"][0]["image"]
    assert (release.id, image) == ("a", f"{HOME}/report@{release.images['report']}")


def test_a_first_deployment_that_fails_leaves_no_schedule(project: EcsProject, shop: Shop) -> None:
    project.built("a", broken=True)
    fails(deploy(project, Request("dev")), Exception)
    assert not shop.scheduler.schedules


def test_removed_with_the_environment(project: EcsProject, shop: Shop) -> None:
    project.built("a")
    run(deploy(project, Request("dev")))
    assert set(remove(project, "dev", volumes=False)) == {
        "shop-dev-web",
        "shop-dev/shop-dev-report",
    }
    assert not shop.scheduler.schedules


def test_35_gc_spares_what_the_ledger_knows(project: EcsProject, shop: Shop) -> None:
    """Failure mode 35: of a, b, c and d the two that ran last stay."""
    for name in "abcd":
        project.built(name)
        run(deploy(project, Request("dev")))
    (found,) = find(project, "dev", 0)
    assert {one.name for one in found.leftovers} == {
        *("shop-dev-web:1", "shop-dev-web:2", "shop-dev-report:1", "shop-dev-report:2")
    }
    assert pinned(shop) == "shop-dev-report:4"
