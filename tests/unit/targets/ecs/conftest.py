"""A shop on a simulated ECS: its clock moves as the code under test pauses."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from shipit.model import application
from shipit.model.deployment import Desired, Plan
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import EcsTarget
from shipit.model.progress import Outcome, Progress
from shipit.targets.ecs.target import EcsCluster
from tests.fakes.around import Around
from tests.fakes.ecs import Behaviour, SimulatedEcs, runs
from tests.fakes.scheduler import FakeScheduler

REGISTRY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop"
ROLE = "arn:aws:iam::111122223333:role/execution"
SETTINGS = EcsTarget(
    region="eu-west-1",
    cluster="prod",
    subnets=("subnet-0a1",),
    security_groups=("sg-0b2",),
    execution_role=ROLE,
)
PLAIN: dict[str, Any] = {"ports": [{"target": 8080, "protocol": "tcp"}]}


def digest(version: str) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(version.encode()).hexdigest()}")


class Shop:
    """`target` is a new object each time, over the same world, as a new process would have."""

    def __init__(self, sim: SimulatedEcs, around: Around, scheduler: FakeScheduler) -> None:
        self.sim, self.around, self.scheduler = sim, around, scheduler
        self.settings = SETTINGS
        self.deadline = 600.0
        self.waited = 0.0

    def target(self) -> EcsCluster:
        return EcsCluster(
            "default", self.settings, "dev", "shop", "/", clock=self.clock, pause=self.pause
        )

    def clock(self) -> float:
        return self.sim.world.now

    def pause(self, seconds: float) -> None:
        self.waited += seconds
        self.sim.clock.advance(seconds)

    def behaves(self, version: str, behaviour: Behaviour, service: str = "web") -> None:
        self.sim.images[f"{REGISTRY}/{service}@{digest(version)}"] = behaviour

    def rings(self, alarm: str, *, on: bool = True) -> None:
        """In CloudWatch, and as ECS sees it."""
        self.around.alarms[alarm] = "ALARM" if on else "OK"
        self.sim.alarm(alarm, rings=on)

    def desired(
        self, services: dict[str, dict[str, Any]] | None = None, version: str = "1", **more: Any
    ) -> Desired:
        """The services in Compose's rendered form, all of one version."""
        written = services or {"web": PLAIN}
        images = {n: Image(f"{REGISTRY}/{n}", digest(version)) for n in written}
        project = {
            "name": "shop-dev",
            **more,
            "services": {
                n: {"networks": {"default": None}, **s, "image": images[n].reference}
                for n, s in written.items()
            },
        }
        for image in images.values():
            self.sim.images.setdefault(image.reference, runs())
        return Desired(
            app="shop",
            environment="dev",
            release=digest(f"release {version} {written!r}"),
            release_id=f"r{version}",
            project=project,
            images=images,
            services=application.long_running(project),
            before=application.one_offs(project, "before"),
            after=application.one_offs(project, "after"),
            scheduled=application.scheduled(project),
            deadline=self.deadline,
        )

    def deploy(self, desired: Desired) -> tuple[Plan, list[Progress], Outcome]:
        """As delivery does it."""
        target = self.target()
        plan = target.plan(desired, target.observe())
        target.preflight(plan)
        said = list(target.follow(target.apply(plan)))
        outcome = said[-1]
        assert not isinstance(outcome, Progress)
        return plan, [item for item in said if isinstance(item, Progress)], outcome

    def service(self, name: str = "shop-dev-web") -> dict[str, Any]:
        answer = self.sim.call("DescribeServices", cluster="prod", services=[name])
        found: dict[str, Any] = answer["services"][0]
        return found


@pytest.fixture
def around() -> Iterator[Around]:
    with Around() as server:
        yield server


@pytest.fixture
def shop(around: Around, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with SimulatedEcs(clusters=["prod"]) as sim, FakeScheduler() as scheduler:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SCHEDULER", scheduler.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL", around.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", sim.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        yield Shop(sim, around, scheduler)
