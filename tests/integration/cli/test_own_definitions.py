"""A team's own task definition and service, from the checkout to a simulated ECS."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.around import Around
from tests.fakes.command import Shipit, commit_all, refused
from tests.fakes.debian_registry import debian_registry
from tests.fakes.ecs import SimulatedEcs, runs
from tests.fakes.scheduler import FakeScheduler

pytestmark = [pytest.mark.engine, pytest.mark.registry]

PIPELINE = """\
app: shop
registry: {registry}/shop
environments:
  production:
    target: {{ecs: {{region: eu-west-1, cluster: prod}}}}
    source: {{task_definition: ecs/web.json, service: ecs/web-service.yaml}}
"""
COMPOSE = """\
services:
  web: {build: .}
"""
TASK: dict[str, Any] = {
    "family": "shop-production-web",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "memory": "512",
    "executionRoleArn": "arn:aws:iam::111122223333:role/execution",
    "containerDefinitions": [
        {"name": "web", "image": "web", "portMappings": [{"containerPort": 8080}]}
    ],
}
SERVICE = """\
desiredCount: 2
launchType: FARGATE
networkConfiguration: {awsvpcConfiguration: {subnets: [subnet-1], securityGroups: [sg-1]}}
"""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@pytest.fixture
def sim() -> Iterator[SimulatedEcs]:
    with SimulatedEcs(clusters=["prod"]) as made, made.clock.running(speed=30):
        yield made


@pytest.fixture
def shop(tmp_path: Path, sim: SimulatedEcs) -> Iterator[Shipit]:
    folder = tmp_path / "shop"
    (folder / "ecs").mkdir(parents=True)
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY busybox /bin/busybox\nCMD ["httpd"]\n')
    shutil.copy("/bin/busybox", folder / "busybox")
    (folder / "ecs" / "web.json").write_text(json.dumps(TASK))
    (folder / "ecs" / "web-service.yaml").write_text(SERVICE)
    with (
        debian_registry(tmp_path / "registry") as registry,
        Around() as around,
        FakeScheduler() as scheduler,
    ):
        (folder / "shipit.yaml").write_text(PIPELINE.format(registry=registry))
        commit_all(folder)
        endpoints = {
            "AWS_ENDPOINT_URL": around.endpoint,
            "AWS_ENDPOINT_URL_ECS": sim.endpoint,
            "AWS_ENDPOINT_URL_SCHEDULER": scheduler.endpoint,
        }
        yield Shipit(folder, {**CREDENTIALS, **endpoints})


def built(shop: Shipit, sim: SimulatedEcs) -> str:
    """A release of the folder as it is; its image, which runs from then on."""
    release = shop.ok("build", "--json").result["release"]
    registry = (shop.folder / "shipit.yaml").read_text().split("registry: ")[1].split()[0]
    image = f"{registry}/web@{release['images']['web']}"
    sim.images[image] = runs()
    return image


def test_they_are_deployed_by_digest_and_once(shop: Shipit, sim: SimulatedEcs) -> None:
    image = built(shop, sim)
    for file in ("compose.yaml", "ecs/web.json", "ecs/web-service.yaml"):
        (shop.folder / file).unlink()  # a release needs no checkout

    planned = shop.ok("plan", "--env", "production", "--json").json
    change = planned["saved"]["plans"]["default"]["changes"][0]
    assert (change["service"], change["action"], change["image"]) == ("web", "create", image)

    result = shop.ok("deploy", "--env", "production", "--json").result
    assert result["proven"] == {"default": {"web": image.partition("@")[2]}}
    (registered,) = sim.asked("RegisterTaskDefinition")
    assert registered["containerDefinitions"][0]["image"] == image
    (created,) = sim.asked("CreateService")
    assert (created["serviceName"], created["desiredCount"]) == ("shop-production-web", 2)

    again = shop.ok("deploy", "--env", "production", "--json").result
    assert again["changed"] is False
    assert len(sim.asked("RegisterTaskDefinition")) == 1
    assert sim.asked("UpdateService") == []
    assert shop.ok("verify", "--env", "production", "--json").json["healthy"] is True


def test_a_change_of_a_file_is_a_difference_between_releases(
    shop: Shipit, sim: SimulatedEcs
) -> None:
    built(shop, sim)
    first = shop.ok("build", "--json").result["release"]["id"]
    (shop.folder / "ecs" / "web.json").write_text(json.dumps({**TASK, "memory": "1024"}))
    commit_all(shop.folder, "more memory")
    second = shop.ok("build", "--json").result["release"]["id"]
    lines = shop.ok("diff", first, second, "--json").json["configuration"]
    assert [line.strip(" ,") for line in lines if line[:2] in ("- ", "+ ")] == [
        '-        "memory": "512"',
        '+        "memory": "1024"',
    ]


def test_check_says_what_is_wrong_with_its_place(shop: Shipit) -> None:
    task = json.dumps({**TASK, "netMode": "awsvpc"}, indent=1)
    (shop.folder / "ecs" / "web.json").write_text(task)
    ran = shop("check", "--env", "production", "--json")
    assert ran.code != 0
    line = task[: task.index("netMode")].count("\n") + 1
    assert f"ecs/web.json:{line}:2: netMode: unknown key; did you mean networkMode?" in ran.out
    refused(shop("build"), "netMode: unknown key; did you mean networkMode?")
