"""The state of one simulated account and region. Data only, so that an old state can be kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.ecs import names
from tests.fakes.ecs.behaviour import Behaviour

Json = dict[str, Any]
NOON = 1_795_608_000.0  # 2026-11-25 12:00 UTC: when every simulation begins


@dataclass
class Timings:
    """Seconds. `proving`: a task without any health check counts as started when it ran so long.

    `settle`: from the last change until ECS notices the steady state, and says COMPLETED.
    `retry`: before a failed task is replaced; doubled after the third, as ECS throttles.
    `target_group`: how long a load balancer watches before it calls a target unhealthy.
    """

    provisioning: float = 4
    proving: float = 8
    settle: float = 10
    retry: float = 5
    retry_at_most: float = 900
    target_group: float = 30
    draining: float = 5
    alarm_bake: float = 60
    kept: float = 3600


@dataclass
class Cluster:
    name: str
    arn: str
    status: str = "ACTIVE"
    providers: list[str] = field(default_factory=lambda: ["FARGATE", "FARGATE_SPOT"])
    strategy: list[Json] = field(default_factory=list)
    room: int | None = None  # tasks that fit; None: any number
    instances: int = 0


@dataclass
class Definition:
    """`body` as DescribeTaskDefinition answers it."""

    arn: str
    family: str
    revision: int
    body: Json

    @property
    def containers(self) -> list[Json]:
        containers: list[Json] = self.body["containerDefinitions"]
        return containers


@dataclass
class Container:
    name: str
    arn: str
    image: str
    digest: str
    definition: Json
    behaviour: Behaviour
    status: str = "PENDING"
    started: float | None = None
    exit_code: int | None = None
    reason: str = ""
    health: str = "UNKNOWN"

    @property
    def essential(self) -> bool:
        return bool(self.definition.get("essential", True))


@dataclass
class Task:
    """`wanted` is desiredStatus, `last` lastStatus; `until`: when the phase under way ends."""

    arn: str
    cluster: str
    definition: Definition
    containers: list[Container]
    created: float
    group: str
    request: Json
    started_by: str = ""
    service: str = ""
    deployment: str = ""
    revision: str = ""
    wanted: str = "RUNNING"
    last: str = "PROVISIONING"
    until: float = 0
    version: int = 1
    load_balanced: bool = False
    stop_code: str = ""
    reason: str = ""
    pull_started: float | None = None
    pull_stopped: float | None = None
    started: float | None = None
    stopping: float | None = None
    stopped: float | None = None
    healthy_once: bool = False
    counted: bool = False
    tags: list[Json] = field(default_factory=list)

    @property
    def id(self) -> str:
        return names.last_part(self.arn)

    @property
    def alive(self) -> bool:
        """Not stopped, and nobody stops it."""
        return self.wanted == "RUNNING" and self.last != "STOPPED"


@dataclass
class Revision:
    """A service's settings at one time, as a deployment brings them."""

    arn: str
    created: float
    settings: Json


@dataclass
class ServiceDeployment:
    arn: str
    created: float
    target: Revision
    sources: list[Revision]
    settings: Json  # the deploymentConfiguration
    status: str = "PENDING"
    reason: str = ""
    started: float | None = None
    finished: float | None = None
    stopped: float | None = None
    updated: float = 0
    rollback: Json | None = None
    breaker: str = "DISABLED"
    failures: int = 0
    threshold: int = 3
    alarms: str = "DISABLED"
    alarm_names: list[str] = field(default_factory=list)
    triggered: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        ends = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
        return self.status in ends


@dataclass
class Deployment:
    id: str
    revision: Revision
    record: ServiceDeployment
    created: float
    status: str = "PRIMARY"
    rollout: str = "IN_PROGRESS"
    reason: str = ""
    updated: float = 0
    failed: int = 0  # one after the other, as failedTasks
    retry_at: float = 0
    steady_since: float | None = None
    ignored_alarms: set[str] = field(default_factory=set)
    is_rollback: bool = False


@dataclass
class Service:
    """`settings`: every member of CreateService that is answered back, with ECS's defaults."""

    arn: str
    name: str
    cluster: str
    created: float
    settings: Json
    desired: int
    status: str = "ACTIVE"
    deployments: list[Deployment] = field(default_factory=list)  # the primary first
    records: list[ServiceDeployment] = field(default_factory=list)
    revisions: list[Revision] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)  # the newest first
    completed: Deployment | None = None
    steady: bool = False
    last_impairment: str = ""
    inactive_since: float = 0
    launch_type: str = ""  # as it was created, "" for one on capacity providers

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]


@dataclass
class World:
    region: str = names.REGION
    now: float = NOON
    timings: Timings = field(default_factory=Timings)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    definitions: dict[str, list[Definition]] = field(default_factory=dict)
    services: dict[tuple[str, str], Service] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    tags: dict[str, list[Json]] = field(default_factory=dict)
    account_settings: dict[str, str] = field(default_factory=dict)
    images: dict[str, Behaviour] = field(default_factory=dict)
    alarms: set[str] = field(default_factory=set)  # the names of those in ALARM
    tokens: dict[str, tuple[Json, list[str]]] = field(default_factory=dict)
    first_is_born_completed: bool = False
    rollback_keeps_id: bool = False
    serial: int = 0

    def next(self) -> int:
        self.serial += 1
        return self.serial

    def arn(self, kind: str, *parts: str) -> str:
        return names.arn(kind, *parts, region=self.region)

    def tasks_of(self, service: Service) -> Iterator[Task]:
        for task in self.tasks.values():
            if task.service == service.name and task.cluster == service.cluster:
                yield task

    def say(self, service: Service, message: str) -> None:
        """A service event; ECS keeps the last hundred."""
        number = self.next()
        identity = f"{names.hexadecimal(number)[:8]}-0000-4000-8000-{number:012d}"
        event = {"id": identity, "createdAt": self.now, "message": message}
        service.events.insert(0, event)
        del service.events[100:]
