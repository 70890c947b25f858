"""ECS as somebody else reads its documentation: ministack, with real containers on the engine,
which pulls from ministack's ECR, a real registry."""

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from shipit.model import application, source
from shipit.model.deployment import Action, Desired, Health
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import EcsTarget
from shipit.model.progress import Failed, Outcome, Progress, RolledBack, Succeeded
from shipit.targets.ecs import own
from shipit.targets.ecs.target import EcsCluster
from tests.fakes.engine import build, deploy, worker
from tests.fakes.ministack import ministack, runs_containers
from tests.fakes.moto import CREDENTIALS
from tests.integration.targets.ecs.conftest import client

pytestmark = [pytest.mark.aws, pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not runs_containers():
        pytest.skip("ministack has no Docker SDK: requirements/ministack.in lacks it")
    engine = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    with ministack(tmp_path_factory.mktemp("ministack"), engine=engine) as running:
        yield running


@pytest.fixture(scope="module")
def images(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Image]]:
    """Built by the engine, pushed to ECR, and taken off the engine again."""
    client(endpoint, "ecr").create_repository(repositoryName="shop/web")
    folder, address = tmp_path_factory.mktemp("images"), endpoint.removeprefix("http://")
    made = {v: build(folder / v, address, v) for v in ("1", "2")}
    yield made
    for image in made.values():
        subprocess.run(["docker", "rmi", image.reference], capture_output=True, check=False)


class Shop:
    def __init__(self, images: dict[str, Image]) -> None:
        self.images = images

    def target(self) -> EcsCluster:
        settings = EcsTarget(region="eu-west-1", cluster="prod", launch_type="ec2")
        return EcsCluster("default", settings, "dev", "shop", "/")

    def desired(self, script: str, version: str, **more: Any) -> Desired:
        image = self.images[version]
        web = {**worker(script), "image": image.reference, "mem_limit": "67108864", **more}
        project = {"services": {"web": web}}
        return Desired(
            app="shop",
            environment="dev",
            release=Digest.of(f"{version} {script}".encode()),
            release_id=f"r{version}",
            project=project,
            images={"web": image},
            services=application.long_running(project),
            before=application.one_offs(project, "before"),
            deadline=60,
        )

    def run_task(self, script: str) -> tuple[list[str], Outcome]:
        desired = self.desired(script, "1", **{"x-shipit": {"run": "before"}})
        *said, outcome = self.target().run_task(desired, "web", script)
        assert not isinstance(outcome, Progress)
        return [line for p in said if isinstance(p, Progress) for line in p.logs], outcome


@pytest.fixture
def shop(
    endpoint: str, images: dict[str, Image], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    client(endpoint, "ecs").create_cluster(clusterName="prod")
    made = Shop(images)
    yield made
    made.target().remove(volumes=False)


GOOD = "echo ready; exec sleep 1000"


def test_forward_broken_and_back(shop: Shop) -> None:
    """A rolling update with real containers; a broken one, which ECS's breaker takes back."""
    one, two = shop.desired(GOOD, "1"), shop.desired(GOOD, "2")
    _, _, outcome = deploy(shop.target(), one)
    assert outcome == Succeeded({"web": shop.images["1"].digest})
    plan, _, outcome = deploy(shop.target(), one)
    assert not plan.changed
    assert isinstance(outcome, Succeeded)
    plan, _, outcome = deploy(shop.target(), two)
    assert [c.action for c in plan.changes] == [Action.UPDATE]
    assert outcome == Succeeded({"web": shop.images["2"].digest})

    breaking = {"deploy": {"update_config": {"failure_action": "rollback"}}}
    _, _, outcome = deploy(shop.target(), shop.desired("echo broken; exit 3", "2", **breaking))
    assert isinstance(outcome, RolledBack)
    assert "web exited with code 3" in outcome.reasons[0].what
    assert outcome.reasons[0].logs == ("broken",)

    _, _, outcome = deploy(shop.target(), two)
    assert outcome == Succeeded({"web": shop.images["2"].digest})
    (stopped,) = shop.target().stop([])
    assert (stopped.running, stopped.health) == (0, Health.STOPPED)
    (started,) = shop.target().start([])
    assert started.running == 1


def test_an_image_that_ecr_lost_is_told_and_taken_back(shop: Shop) -> None:
    """A broken image: its digest is asked for, and nobody has it."""
    _, _, outcome = deploy(shop.target(), shop.desired(GOOD, "1"))
    assert isinstance(outcome, Succeeded)
    shop.images = {**shop.images, "lost": replace(shop.images["2"], digest=Digest.of(b"lost"))}
    breaking = {"deploy": {"update_config": {"failure_action": "rollback"}}}
    _, _, outcome = deploy(shop.target(), shop.desired(GOOD, "lost", **breaking))
    assert isinstance(outcome, RolledBack)
    assert "its image cannot be pulled" in outcome.reasons[0].what
    seen = shop.target().observe().services["web"]
    assert (seen.running, seen.images) == (1, (shop.images["1"].digest,))


def test_tasks_forward_their_lines_and_exit_codes(shop: Shop) -> None:
    lines, outcome = shop.run_task("echo done; exit 0")
    assert outcome == Succeeded({"web": shop.images["1"].digest})
    assert lines == ["done"]
    _, outcome = shop.run_task("echo no; exit 4")
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == "ended with exit code 4"
    assert outcome.reasons[0].logs == ("no",)


def test_a_teams_own_definition_is_unchanged_the_second_time(shop: Shop) -> None:
    """What somebody else's ECS fills in is no difference."""
    container = {
        "name": "web",
        "memory": 64,
        "command": ["/bin/sh", "-c", GOOD],
        "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": ""}],
    }
    tags = [{"key": "team", "value": "front"}]

    def desired(version: str) -> Desired:
        made = shop.desired(GOOD, version)
        image = made.images["web"].reference
        body = {"containerDefinitions": [{**container, "image": image}], "tags": tags}
        service = {"desiredCount": 1, "launchType": "EC2", "propagateTags": "SERVICE"}
        objects = ({"name": "web", "task_definition": body, "service": service},)
        project = source.project({"services": {}}, own.services(objects))
        return replace(made, project=project, source=objects)

    _, _, outcome = deploy(shop.target(), desired("1"))
    assert outcome == Succeeded({"web": shop.images["1"].digest})
    plan, _, outcome = deploy(shop.target(), desired("1"))
    assert not plan.changed, plan.changes
    assert isinstance(outcome, Succeeded)
    plan, _, outcome = deploy(shop.target(), desired("2"))
    assert [c.action for c in plan.changes] == [Action.UPDATE]
    assert outcome == Succeeded({"web": shop.images["2"].digest})
