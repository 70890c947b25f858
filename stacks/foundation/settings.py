"""`environments.E.stack` of shipit.yaml as types. Sizes differ by environment, and little else."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import pulumi
from msgspec import Meta

from shipit.config import file
from shipit.errors import ShipitError
from shipit.model.naming import short

Cidr = Annotated[str, Meta(pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$")]
Name = Annotated[str, Meta(min_length=1)]
_LONGEST = 40  # of a GKE cluster's name; a role's has 64, and gets an end of its own


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Nodes(_Strict, frozen=True):
    """Machines. Left out where the cloud runs the containers without any of ours."""

    types: tuple[str, ...]
    minimum: int = 1
    maximum: int = 3
    disk: int = 50  # GiB


class Edge(_Strict, frozen=True):
    """A load balancer with HTTPS. `certificate` is an ACM certificate's ARN; `allow` are the
    addresses that reach it: left out, only the network itself."""

    certificate: str
    port: int = 8080
    health: str = "/"
    allow: tuple[Cidr, ...] = ()


class Ecs(_Strict, frozen=True):
    """`nat`: gateways for what leaves the private subnets; 0 for none, one is enough for a test
    environment, production has one a zone. `spot`: three tasks of four run where AWS may take them
    away. `instances`: tasks run on EC2 instead of on Fargate."""

    region: Name
    cidr: Cidr = "10.20.0.0/16"
    zones: Annotated[int, Meta(ge=2, le=4)] = 3
    nat: Annotated[int, Meta(ge=0, le=4)] = 1
    spot: bool = False
    instances: Nodes | None = None
    edge: Edge | None = None
    exec: bool = True
    log_days: int = 30
    key: str = ""  # a KMS key's ARN for the logs; left out: the cloud's own


class Eks(_Strict, frozen=True):
    """`nodes` left out: EKS Auto Mode. `allow`: who may reach the API server from outside; left
    out, it has no public endpoint. `deployers`: roles that may change `namespace`."""

    region: Name
    cidr: Cidr = "10.30.0.0/16"
    zones: Annotated[int, Meta(ge=2, le=4)] = 3
    nat: Annotated[int, Meta(ge=0, le=4)] = 1
    version: str = ""
    nodes: Nodes | None = None
    allow: tuple[Cidr, ...] = ()
    deployers: tuple[str, ...] = ()
    namespace: str = ""
    log_days: int = 30


class Gke(_Strict, frozen=True):
    """`nodes` left out: Autopilot. `allow`: who may reach the control plane's address; it always
    has a DNS endpoint, which asks for IAM. `maintenance`: days and hours in UTC."""

    project: Name
    location: Name
    cidr: Cidr = "10.40.0.0/20"
    pods: Cidr = "10.44.0.0/14"
    services: Cidr = "10.48.0.0/20"
    control_plane: Cidr = "172.16.0.0/28"
    nodes: Nodes | None = None
    channel: Annotated[str, Meta(pattern="^(RAPID|REGULAR|STABLE|EXTENDED)$")] = "REGULAR"
    allow: tuple[Cidr, ...] = ()
    deployers: tuple[str, ...] = ()
    maintenance: Annotated[str, Meta(pattern=r"^[A-Z,]+ \d\d:00-\d\d:00$")] = "SA,SU 02:00-08:00"


class Stack(_Strict, frozen=True):
    """Exactly one kind. `protect` says that nothing of it is deleted; left out, that is so in the
    last environment. `secrets` is shipit's own."""

    ecs: Ecs | None = None
    eks: Eks | None = None
    gke: Gke | None = None
    protect: bool | None = None
    tags: dict[str, str] = {}
    secrets: str = ""


class Settings(msgspec.Struct, frozen=True):
    """An environment's stack with what shipit.yaml says around it."""

    app: str
    environment: str
    stack: Stack
    protect: bool
    registry: str = ""  # where its images are pulled from, "" where that is a machine's own

    @property
    def kind(self) -> str:
        return next(kind for kind in ("ecs", "eks", "gke") if getattr(self.stack, kind))

    @property
    def prefix(self) -> str:
        """What everything of it is called after."""
        return short(f"{self.app}-{self.environment}", _LONGEST)

    @property
    def tags(self) -> dict[str, str]:
        own = {"shipit:app": self.app, "shipit:environment": self.environment}
        return {**own, "managed-by": "pulumi", **self.stack.tags}

    @property
    def ecs(self) -> Ecs:
        return _there(self.stack.ecs)

    @property
    def eks(self) -> Eks:
        return _there(self.stack.eks)

    @property
    def gke(self) -> Gke:
        return _there(self.stack.gke)


def load(environment: str, start: Path | None = None) -> Settings:
    """Of shipit.yaml in this folder or above it. Raises pulumi.RunError, which Pulumi shows as one
    sentence."""
    try:
        pipeline = file.load(file.find(start or Path.cwd()))
    except ShipitError as error:
        raise pulumi.RunError(str(error)) from None
    found = pipeline.environments.get(environment)
    if found is None:
        names = ", ".join(pipeline.environments)
        raise pulumi.RunError(f"{pipeline.file} has no environment {environment}; it has {names}")
    stack = _decoded(found.stack, f"{pipeline.file}: environments.{environment}.stack")
    last = environment == [*pipeline.environments][-1]
    protect = last if stack.protect is None else stack.protect
    registry = found.registry or pipeline.registry
    return Settings(pipeline.app, environment, stack, protect, registry)


def _decoded(written: dict[str, Any], where: str) -> Stack:
    try:
        stack = msgspec.convert(written, Stack)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        raise pulumi.RunError(f"{where}{place.rstrip('`')}: {what}") from None
    kinds = [kind for kind in ("ecs", "eks", "gke") if getattr(stack, kind)]
    if len(kinds) != 1:
        said = " and ".join(kinds) + " are both here" if kinds else "no kind of stack is here"
        raise pulumi.RunError(f"{where}: {said}; name one of ecs, eks, gke")
    if stack.ecs and stack.ecs.spot and stack.ecs.instances:
        raise pulumi.RunError(
            f"{where}.ecs.spot: it is for Fargate, and with instances nothing runs there; take one"
            " of them away"
        )
    return stack


def _there(found: Any) -> Any:
    if found is None:
        raise pulumi.RunError("this stack is of another kind")
    return found
