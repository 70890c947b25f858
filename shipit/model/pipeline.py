"""shipit.yaml as types: the one source of its validation, its JSON Schema and its reference page.

Every class here is decoded strictly: an unknown key is an error, except under `x-`, which
config/ takes away before. Docstrings and `Meta` descriptions reach the user through the schema.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Name = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="Lower-case letters, digits, dashes: part of names on every target.",
    ),
]
Duration = Annotated[
    str,
    Meta(pattern=r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", description="A length of time: 90s, 10m, 24h."),
]


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class DockerTarget(_Settings, frozen=True):
    """A Docker engine. Without settings: the one the docker command line talks to."""

    host: Annotated[
        str, Meta(description="As DOCKER_HOST: unix://, tcp:// or ssh://user@host.")
    ] = ""
    context: Annotated[str, Meta(description="The name of a Docker context.")] = ""


class SwarmTarget(_Settings, frozen=True):
    """A Docker Swarm, reached through one of its managers."""

    host: str = ""
    context: str = ""


class KubernetesTarget(_Settings, frozen=True):
    """A cluster that a kubeconfig file knows."""

    context: str = ""
    kubeconfig: str = ""
    namespace: str = ""


class GkeTarget(_Settings, frozen=True):
    """A Google Kubernetes Engine cluster."""

    project: str = ""
    location: str = ""
    cluster: str = ""
    namespace: str = ""
    stack: str = ""


class EksTarget(_Settings, frozen=True):
    """An Amazon Elastic Kubernetes Service cluster."""

    region: str = ""
    cluster: str = ""
    namespace: str = ""
    stack: str = ""


class EcsTarget(_Settings, frozen=True):
    """An Amazon Elastic Container Service cluster, on Fargate or on EC2 capacity."""

    region: str = ""
    cluster: str = ""
    launch_type: str = ""
    stack: str = ""


class TargetSettings(_Settings, frozen=True):
    """One place where an environment runs. Exactly one kind is named."""

    docker: DockerTarget | None = None
    swarm: SwarmTarget | None = None
    kubernetes: KubernetesTarget | None = None
    gke: GkeTarget | None = None
    eks: EksTarget | None = None
    ecs: EcsTarget | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(n for n in self.__struct_fields__ if getattr(self, n) is not None)

    @property
    def kind(self) -> str:
        return self.kinds[0]

    @property
    def settings(self) -> Any:
        return getattr(self, self.kind)


class Gates(_Settings, frozen=True):
    """Rules that a release must pass to enter the environment."""

    approvals: Annotated[
        int, Meta(ge=0, description="How many people must approve the release.")
    ] = 0
    soak: Annotated[Duration | None, Meta(description="How long it must have run upstream.")] = None
    freeze: Annotated[
        tuple[str, ...],
        Meta(description="Windows in which nothing enters: 'Fri 16:00 - Mon 08:00 Europe/Madrid'."),
    ] = ()


class Canary(_Settings, frozen=True):
    """Traffic in steps of percent, with a time to watch each."""

    steps: tuple[Annotated[int, Meta(ge=1, le=100)], ...]
    bake: Duration = "5m"


class Strategy(_Settings, frozen=True):
    """How new containers replace the old. Left out: the target's own rolling update."""

    canary: Canary | None = None


class Verification(_Settings, frozen=True):
    """A check after the rollout: the address must answer with the status within the timeout."""

    http: Annotated[str, Meta(pattern="^https?://")]
    status: Annotated[int, Meta(ge=100, le=599)] = 200
    contains: Annotated[str, Meta(description="Text that the body must hold.")] = ""
    timeout: Duration = "30s"


class SourceFiles(_Settings, frozen=True):
    """The team's own manifests, rendered instead of compose.yaml. Exactly one kind is named."""

    manifests: str = ""
    kustomize: str = ""
    helm: str = ""
    task_definition: str = ""
    service: str = ""


class EnvironmentSettings(_Settings, frozen=True):
    """An environment: what it comes after, where it runs, and the rules for entering it."""

    after: Annotated[Name | None, Meta(description="The environment it comes after.")] = None
    target: TargetSettings | None = None
    targets: Annotated[
        dict[Name, TargetSettings], Meta(description="Several places: regions or clouds.")
    ] = {}
    registry: Annotated[
        str, Meta(description="Images are copied here, by digest, and run from here.")
    ] = ""
    gates: Gates = Gates()
    strategy: Strategy = Strategy()
    verify: tuple[Verification, ...] = ()
    source: SourceFiles | None = None
    stack: Annotated[
        dict[str, Any], Meta(description="Settings of the environment's Pulumi stack.")
    ] = {}
    deadline: Annotated[
        Duration, Meta(description="A rollout that is not proven by then has failed.")
    ] = "5m"


class Settings(_Settings, frozen=True):
    """shipit.yaml."""

    app: Name
    environments: Annotated[dict[Name, EnvironmentSettings], Meta(min_length=1)]
    ledger: Annotated[
        str, Meta(description="A folder or s3://bucket/prefix. Left out: .shipit/ledger.")
    ] = ""
    registry: Annotated[
        str, Meta(description="Where images are pushed. Left out: the embedded registry.")
    ] = ""


class Environment(msgspec.Struct, frozen=True):
    """An environment as the rest of shipit sees it. `targets` by name; a lone one is `default`."""

    name: str
    after: str | None
    targets: dict[str, TargetSettings]
    registry: str
    gates: Gates
    strategy: Strategy
    verify: tuple[Verification, ...]
    source: SourceFiles | None
    stack: dict[str, Any]
    deadline: str


class Pipeline(msgspec.Struct, frozen=True):
    """The promotion graph. `environments` are in promotion order: each after what it comes after.

    `root` is the absolute folder of shipit.yaml; relative paths in it start there.
    `ledger` and `registry` are as written, or empty.
    """

    app: str
    root: str
    file: str
    ledger: str
    registry: str
    environments: dict[str, Environment]

    @property
    def first(self) -> Environment:
        return next(iter(self.environments.values()))

    def downstream(self, name: str) -> tuple[Environment, ...]:
        return tuple(e for e in self.environments.values() if e.after == name)
