"""A plan of some services alone, as delivery lays what a task needs: the rest stays as it is."""

import pytest
from msgspec.structs import replace

from shipit.model import application, source
from shipit.model.deployment import Action, Desired
from shipit.model.image import Image
from shipit.model.progress import Progress, Succeeded
from shipit.targets.ecs import own
from tests.fakes.ecs import runs
from tests.fakes.scheduler import ROLE as SCHEDULER
from tests.unit.targets.ecs.conftest import PLAIN, REGISTRY, ROLE, SETTINGS, Shop, digest

HOURLY = {"x-shipit": {"schedule": "rate(1 hour)"}}


@pytest.fixture(autouse=True)
def _role(shop: Shop) -> None:
    shop.settings = replace(SETTINGS, scheduler_role=SCHEDULER)


def test_what_the_part_does_not_have_is_left_alone(shop: Shop) -> None:
    shop.deploy(shop.desired({"web": PLAIN, "report": HOURLY}))
    before = dict(shop.scheduler.schedules["shop-dev", "shop-dev-report"])
    whole = shop.desired({"web": PLAIN, "db": {}, "report": HOURLY}, version="2")
    target = shop.target()
    plan = target.plan(whole, target.observe())
    part = replace(
        plan,
        desired=replace(whole, services=("db",), scheduled=()),
        changes=tuple(c for c in plan.changes if c.service == "db"),
    )
    *_, outcome = target.follow(target.apply(part))
    assert not isinstance(outcome, Progress)
    assert outcome == Succeeded({"db": digest("2")})
    assert shop.service("shop-dev-web")["status"] == "ACTIVE"
    assert shop.service("shop-dev-web")["runningCount"] == 1
    assert shop.scheduler.schedules["shop-dev", "shop-dev-report"] == before

    target = shop.target()
    left = {c.service: c.action for c in target.plan(whole, target.observe()).changes}
    assert left == {"web": Action.UPDATE, "db": Action.KEEP, "report": Action.UPDATE}


def adopted(shop: Shop, version: str, *names: str) -> Desired:
    """With a task definition of the team's own for each service."""
    images = {name: Image(f"{REGISTRY}/{name}", digest(version)) for name in names}
    objects = tuple(
        {
            "name": name,
            "service": {"desiredCount": 1},
            "task_definition": {
                "family": name,
                "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"],
                "cpu": "256",
                "memory": "512",
                "executionRoleArn": ROLE,
                "containerDefinitions": [{"name": name, "image": image.reference}],
            },
        }
        for name, image in images.items()
    )
    for image in images.values():
        shop.sim.images.setdefault(image.reference, runs())
    project = source.project({"services": {}}, own.services(objects))
    services = application.long_running(project)
    made = shop.desired(version=version)
    return replace(made, project=project, images=images, services=services, source=objects)


def test_of_own_definitions_only_the_part_is_followed(shop: Shop) -> None:
    shop.deploy(adopted(shop, "1", "web"))
    whole = adopted(shop, "2", "web", "db")
    target = shop.target()
    plan = target.plan(whole, target.observe())
    part = replace(
        plan,
        desired=replace(whole, services=("db",)),
        changes=tuple(c for c in plan.changes if c.service == "db"),
    )
    *_, outcome = target.follow(target.apply(part))
    assert outcome == Succeeded({"db": digest("2")})
    assert shop.target().observe().services["web"].images == (digest("1"),)
