"""shipit.yaml as types: the one source of its validation, its JSON Schema and its reference page.

Every class here is decoded strictly: an unknown key is an error, except under `x-`, which
config/ takes away before. Docstrings and `Meta` descriptions reach the user through the schema.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

# A pattern's `form` completes "expected ..., found ..." in an error.
Name = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="Lower-case letters, digits and dashes, 63 at most.",
        extra={"form": "a name (lower-case letters, digits and dashes, 63 at most)"},
    ),
]
DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
Duration = Annotated[
    str,
    Meta(
        pattern=DURATION_PATTERN,
        description="A length of time: 90s, 10m, 24h.",
        examples=["90s", "10m", "24h"],
        extra={"form": "a length of time (90s, 10m, 24h)"},
    ),
]


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


Namespace = Annotated[str, Meta(description="The namespace that the services go into.")]
ForceConflicts = Annotated[
    bool,
    Meta(
        description="Whether fields that other field managers own (`kubectl scale`, an operator)"
        " are taken over. Left out: the deployment is refused, and names the owners."
    ),
]
Stack = Annotated[
    str,
    Meta(description="The Pulumi stack that knows the cluster, where it is not named here."),
]


class DockerTarget(_Settings, frozen=True):
    """A Docker engine. Without settings: the one that the docker command line talks to."""

    host: Annotated[
        str, Meta(description="As DOCKER_HOST: unix://, tcp:// or ssh://user@host.")
    ] = ""
    context: Annotated[str, Meta(description="The name of a Docker context.")] = ""


class SwarmTarget(_Settings, frozen=True):
    """A Docker Swarm, reached through one of its managers."""

    host: Annotated[
        str, Meta(description="A manager, as DOCKER_HOST: tcp:// or ssh://user@host.")
    ] = ""
    context: Annotated[str, Meta(description="The name of a Docker context.")] = ""


class KubernetesTarget(_Settings, frozen=True):
    """A cluster that a kubeconfig file knows."""

    context: Annotated[
        str, Meta(description="The kubeconfig's context. Left out: its current one.")
    ] = ""
    kubeconfig: Annotated[
        str, Meta(description="The file. Left out: KUBECONFIG, else ~/.kube/config.")
    ] = ""
    namespace: Namespace = ""
    force_conflicts: ForceConflicts = False


class GkeTarget(_Settings, frozen=True):
    """A Google Kubernetes Engine cluster."""

    project: Annotated[str, Meta(description="The Google Cloud project.")] = ""
    location: Annotated[
        str, Meta(description="The cluster's region or zone, as in europe-west1.")
    ] = ""
    cluster: Annotated[str, Meta(description="The cluster's name.")] = ""
    endpoint: Annotated[
        str,
        Meta(
            pattern="^(dns|public|private)?$",
            description="Which of the control plane's endpoints is used: dns, public or private."
            " Left out: the IP address that the cluster names, else dns.",
            extra={"form": "dns, public or private"},
        ),
    ] = ""
    namespace: Namespace = ""
    force_conflicts: ForceConflicts = False
    stack: Stack = ""


class EksTarget(_Settings, frozen=True):
    """An Amazon Elastic Kubernetes Service cluster."""

    region: Annotated[
        str, Meta(description="The AWS region, as in eu-west-1. Left out: AWS_REGION's.")
    ] = ""
    cluster: Annotated[str, Meta(description="The cluster's name.")] = ""
    profile: Annotated[
        str, Meta(description="A profile of the AWS configuration files. Left out: AWS_PROFILE's.")
    ] = ""
    namespace: Namespace = ""
    force_conflicts: ForceConflicts = False
    stack: Stack = ""


class EcsTarget(_Settings, frozen=True):
    """An Amazon Elastic Container Service cluster, on Fargate or on EC2 capacity."""

    region: Annotated[
        str, Meta(description="The AWS region, as in eu-west-1. Left out: AWS_REGION's.")
    ] = ""
    cluster: Annotated[str, Meta(description="The cluster's name. Left out: `default`.")] = ""
    launch_type: Annotated[
        str,
        Meta(
            pattern="^(fargate|ec2)?$",
            description="What tasks run on: fargate or ec2. Left out: fargate.",
            extra={"form": "fargate or ec2"},
        ),
    ] = ""
    capacity_providers: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=1000)]],
        Meta(
            description="Capacity providers by weight, instead of launch_type:"
            " {FARGATE: 1, FARGATE_SPOT: 3}."
        ),
    ] = {}
    subnets: Annotated[tuple[str, ...], Meta(description="The tasks' subnets, by id.")] = ()
    subnet_tags: Annotated[
        dict[str, str],
        Meta(description="The tasks' subnets by their tags: {Name: private-*}."),
    ] = {}
    security_groups: Annotated[
        tuple[str, ...], Meta(description="The tasks' security groups, by id.")
    ] = ()
    security_group_tags: Annotated[
        dict[str, str],
        Meta(description="The tasks' security groups by their tags: {Name: web}."),
    ] = {}
    assign_public_ip: Annotated[
        bool, Meta(description="Whether tasks get a public address (on Fargate).")
    ] = False
    execution_role: Annotated[
        str,
        Meta(
            description="The ARN of the role with which ECS pulls images, reads secrets and"
            " writes logs."
        ),
    ] = ""
    task_role: Annotated[
        str, Meta(description="The ARN of the role that the containers themselves have.")
    ] = ""
    scheduler_role: Annotated[
        str,
        Meta(
            pattern="^(arn:[a-z-]+:iam::[0-9]{12}:role/.+)?$",
            description="The ARN of the role with which EventBridge Scheduler starts the tasks of"
            " scheduled services. Schedules are looked at only where it is named.",
            extra={"form": "a role's ARN (arn:aws:iam::111122223333:role/scheduler)"},
        ),
    ] = ""
    log_group: Annotated[
        str,
        Meta(
            description="The CloudWatch log group of the containers. Left out:"
            " `/ecs/<app>-<environment>`, made where it is missing."
        ),
    ] = ""
    prefix: Annotated[
        str,
        Meta(
            pattern="^([a-zA-Z0-9][a-zA-Z0-9_-]*)?$",
            description="What the names of services and task definitions begin with. Left out:"
            " `<app>-<environment>`.",
            extra={"form": "letters, digits, dashes and underscores"},
        ),
    ] = ""
    profile: Annotated[
        str, Meta(description="A profile of the AWS configuration files. Left out: AWS_PROFILE's.")
    ] = ""
    stack: Stack = ""


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

    steps: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=100)], ...],
        Meta(min_length=1, description="Percent of the traffic, increasing, as in [10, 50]."),
    ]
    bake: Annotated[Duration, Meta(description="How long each step is watched.")] = "5m"


class Strategy(_Settings, frozen=True):
    """How new containers replace the old. Left out: the target's own rolling update."""

    canary: Annotated[
        Canary | None, Meta(description="First a part of the traffic, then all of it.")
    ] = None


class Verification(_Settings, frozen=True):
    """A check after the rollout: the address must answer with the status within the timeout."""

    http: Annotated[
        str,
        Meta(
            pattern="^https?://",
            description="The address to ask.",
            examples=["https://qa.example.com/healthz"],
            extra={"form": "an address that starts with http:// or https://"},
        ),
    ]
    status: Annotated[
        int, Meta(ge=100, le=599, description="The HTTP status that it must answer with.")
    ] = 200
    contains: Annotated[str, Meta(description="Text that the body must hold.")] = ""
    timeout: Annotated[
        Duration, Meta(description="How long to ask again before it has failed.")
    ] = "30s"


class ImageField(_Settings, frozen=True):
    """Where a kind of object of its own has an image outside a pod template, as a field
    specification of kustomize has it: `{kind: Prometheus, path: spec/image}`."""

    kind: Annotated[str, Meta(description="The kind of the objects.")]
    path: Annotated[
        str,
        Meta(
            pattern="^[^/]+(/[^/]+)*$",
            description="The field, its keys parted by `/`; lists are gone through.",
            examples=["spec/jobs[]/image"],
            extra={"form": "a field's keys parted by /, as in spec/image"},
        ),
    ]
    group: Annotated[str, Meta(description="Of this API group alone.")] = ""
    version: Annotated[str, Meta(description="Of this API version alone.")] = ""


Files = str | tuple[str, ...]
NamedFiles = str | dict[Name, str]


class SourceFiles(_Settings, frozen=True):
    """The team's own manifests, deployed instead of what compose.yaml would be rendered to, with
    every image by digest. Exactly one of manifests, kustomize, helm and task_definition."""

    manifests: Annotated[
        Files,
        Meta(description="Kubernetes manifests: a folder (with those in it), a file, or a list."),
    ] = ()
    kustomize: Annotated[str, Meta(description="A kustomization's folder.")] = ""
    helm: Annotated[str, Meta(description="A chart's folder.")] = ""
    release: Annotated[
        str, Meta(description="The release's name in the chart. Left out: the application's.")
    ] = ""
    namespace: Annotated[
        str, Meta(description="The chart's namespace. Left out: the target's.")
    ] = ""
    values: Annotated[
        tuple[str, ...], Meta(description="The chart's values files, the last one wins.")
    ] = ()
    images: Annotated[
        tuple[ImageField, ...],
        Meta(description="Where there are images outside pod templates."),
    ] = ()
    task_definition: Annotated[
        NamedFiles,
        Meta(
            description="An ECS task definition, in JSON or YAML; several by the container"
            " that each is about: {web: ecs/web.json, worker: ecs/worker.json}."
        ),
    ] = ""
    service: Annotated[
        NamedFiles,
        Meta(description="An ECS service, in JSON or YAML; several by the same names."),
    ] = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for kind in SOURCE_KINDS if getattr(self, kind))


# What a source can be, and the kinds of target that it is for.
_CLUSTERS = ("kubernetes", "gke", "eks")
SOURCE_KINDS: dict[str, tuple[str, ...]] = {
    "manifests": _CLUSTERS,
    "kustomize": _CLUSTERS,
    "helm": _CLUSTERS,
    "task_definition": ("ecs",),
}
# Settings that belong to one or some of them.
SOURCE_DETAILS: dict[str, tuple[str, ...]] = {
    "release": ("helm",),
    "namespace": ("helm",),
    "values": ("helm",),
    "images": ("manifests", "kustomize", "helm"),
    "service": ("task_definition",),
}


class EnvironmentSettings(_Settings, frozen=True):
    """An environment: what it comes after, where it runs, and the rules for entering it."""

    after: Annotated[Name | None, Meta(description="The environment it comes after.")] = None
    target: Annotated[
        TargetSettings | None, Meta(description="Where it runs, when that is one place.")
    ] = None
    targets: Annotated[
        dict[Name, TargetSettings], Meta(description="Several places: regions or clouds.")
    ] = {}
    registry: Annotated[
        str, Meta(description="Images are copied here, by digest, and run from here.")
    ] = ""
    gates: Annotated[Gates, Meta(description="What a release must pass to enter.")] = Gates()
    strategy: Annotated[Strategy, Meta(description="How new containers replace the old.")] = (
        Strategy()
    )
    verify: Annotated[
        tuple[Verification, ...], Meta(description="Checks after the rollout, in order.")
    ] = ()
    source: Annotated[
        SourceFiles | None, Meta(description="The team's own manifests, instead of compose.yaml.")
    ] = None
    stack: Annotated[
        dict[str, Any], Meta(description="Settings of the environment's Pulumi stack.")
    ] = {}
    deadline: Annotated[
        Duration, Meta(description="A rollout that is not proven by then has failed.")
    ] = "5m"


class Settings(_Settings, frozen=True):
    """shipit.yaml: an application, its environments in promotion order, and where the record is."""

    app: Annotated[
        Name,
        Meta(
            description="The application's name: projects, namespaces and services start with it."
        ),
    ]
    environments: Annotated[
        dict[Name, EnvironmentSettings],
        Meta(min_length=1, description="The environments by name. One comes after nothing."),
    ]
    ledger: Annotated[
        str,
        Meta(
            description="A folder, s3://bucket/prefix, gs://bucket/prefix or memory://."
            " Left out: .shipit/ledger."
        ),
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
