"""Deployments as they go on ECS, told as data: what there was, what happens, and when.

    story = read("circuit_breaker_rollback")
    with SimulatedEcs(clusters=["prod"]) as sim:
        story.stage(sim)                 # the service runs `before`, faults are armed
        image = story.image("next")      # repository@sha256:…, what the deployment is to bring
        …                                # deploy it, through the code under test or `deploy`

The clock of `then` and `states` starts with the first CreateService or UpdateService that reaches
the wire.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.fakes.ecs.behaviour import Behaviour
from tests.fakes.ecs.simulation import SimulatedEcs
from tests.fakes.ecs.world import Json

_FOLDER = Path(__file__).parent
_NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-0a1"], "securityGroups": ["sg-0b2"]}}
REPOSITORY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/web"
ROLE = "arn:aws:iam::111122223333:role/execution"


class Happening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds after the deployment began; one of the others: an image that somebody deploys, a
    count that somebody scales to, an alarm that goes off, somebody who asks for a rollback, an
    image that can be pulled no more."""

    after: float
    deploy: str = ""
    scale: int | None = None
    alarm: str = ""
    roll_back: bool = False
    breaks: str = ""


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`deployments` as [image, status, rolloutState, tasks that run]."""

    at: float
    deployments: list[tuple[str, str, str, int]]


class Ending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the deployment that the story is about. `rollout` empty: it is listed no more.

    `stopped`: [stopCode, what stoppedReason holds, exitCode or null] of its last stopped task.
    """

    at: float
    runs: dict[str, int]
    rollout: str = ""
    record: str = ""
    events: list[str] = []
    stopped: tuple[str, str, int | None] | None = None


class Story(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`succeeds`: whether it is right to call the deployment of `next` a success.

    `before`: the image that runs when it begins, empty when there is no service yet. `room`: how
    many tasks the cluster has room for. `alarms`: those in ALARM from the beginning on.
    """

    tells: str
    succeeds: bool
    ends: Ending
    images: dict[str, dict[str, Any]]
    before: str = "good"
    desired: int = 2
    health_check: bool = False
    deployment: Json = {}
    room: int | None = None
    alarms: list[str] = []
    throttled: float = 0
    stale: float = 0
    rollback_keeps_id: bool = False
    then: list[Happening] = []
    states: list[State] = []

    def image(self, name: str) -> str:
        return f"{REPOSITORY}@{digest(name)}"

    def stage(self, sim: SimulatedEcs, *, cluster: str = "prod", service: str = "web") -> None:
        for name, behaves in self.images.items():
            sim.images[self.image(name)] = Behaviour(**behaves)
        sim.world.rollback_keeps_id = self.rollback_keeps_id
        if self.before:
            self._create(sim, cluster, service)
        sim.capacity(cluster, self.room)
        for alarm in self.alarms:
            sim.alarm(alarm)
        sim.throttle_share(self.throttled)
        sim.stale(self.stale)
        for event in self.then:
            sim.once_written(event.after, _action(self, sim, cluster, service, event))

    def definition(self, image: str, family: str = "web") -> Json:
        """RegisterTaskDefinition's parameters for one of the images."""
        container: Json = {
            "name": "web",
            "image": self.image(image),
            "portMappings": [{"containerPort": 8080}],
        }
        if self.health_check:
            container["healthCheck"] = {"command": ["CMD", "/check"], "interval": 5, "retries": 2}
        return {
            "family": family,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": ROLE,
            "containerDefinitions": [container],
        }

    def service(self, arn: str, *, cluster: str = "prod", service: str = "web") -> Json:
        """CreateService's parameters."""
        return {
            "cluster": cluster,
            "serviceName": service,
            "taskDefinition": arn,
            "desiredCount": self.desired,
            "launchType": "FARGATE",
            "networkConfiguration": _NETWORK,
            "deploymentConfiguration": self.deployment,
        }

    def _create(self, sim: SimulatedEcs, cluster: str, service: str) -> None:
        arn = register(sim, self, self.before, family=service)
        sim.call("CreateService", **self.service(arn, cluster=cluster, service=service))
        made = sim.world.services[cluster, service]
        sim.clock.until(lambda: made.primary.rollout == "COMPLETED", within=600)


def digest(name: str) -> str:
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def names() -> Sequence[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def read(name: str) -> Story:
    text = (_FOLDER / f"{name}.yaml").read_text()
    return msgspec.convert(yaml.safe_load(text), Story)


def register(sim: SimulatedEcs, story: Story, image: str, *, family: str) -> str:
    """Not on the wire: by somebody else, or before the story begins."""
    body = sim.call("RegisterTaskDefinition", **story.definition(image, family))
    arn: str = body["taskDefinition"]["taskDefinitionArn"]
    return arn


def _action(story: Story, sim: SimulatedEcs, cluster: str, service: str, event: Happening) -> Any:
    place = {"cluster": cluster, "service": service}

    def happen() -> None:
        if event.deploy:
            arn = register(sim, story, event.deploy, family=service)
            sim.call("UpdateService", taskDefinition=arn, **place)
        if event.scale is not None:
            sim.call("UpdateService", desiredCount=event.scale, **place)
        if event.alarm:
            sim.alarm(event.alarm)
        if event.breaks:
            sim.images[story.image(event.breaks)] = Behaviour(cannot_pull="not found")
        if event.roll_back:
            record = sim.world.services[cluster, service].primary.record
            sim.call("StopServiceDeployment", serviceDeploymentArn=record.arn)

    return happen
