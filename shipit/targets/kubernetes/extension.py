"""`x-kubernetes`: what Compose has no words for. Decoded strictly; the path is in the error."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, field

from shipit.model.extension import read

KEY = "x-kubernetes"
Json = dict[str, Any]
Port = Annotated[int, Meta(ge=1, le=65535)]
Percent = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=1)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Ingress(_Strict, frozen=True):
    """An Ingress before the service. `port` is the container's; left out: the first of `ports`."""

    hosts: tuple[str, ...] = ()
    path: str = "/"
    port: Port | None = None
    class_name: str = field(default="", name="class")
    tls: str = ""  # the Secret with the certificate
    annotations: dict[str, str] = {}


class Route(_Strict, frozen=True):
    """An HTTPRoute at a Gateway (`name`, or `namespace/name`), which somebody else keeps."""

    gateway: str
    hosts: tuple[str, ...] = ()
    path: str = "/"
    port: Port | None = None
    section: str = ""


class Autoscale(_Strict, frozen=True):
    """`cpu` and `memory` are percents of what is reserved. The count is the autoscaler's then."""

    max: Count
    min: Count = 1
    cpu: Percent | None = None
    memory: Percent | None = None


class Http(_Strict, frozen=True):
    port: Port
    path: str = "/"


class Probes(_Strict, frozen=True):
    """What is asked instead of the healthcheck's command, at its times. `liveness: false`: what is
    unhealthy gets no requests, and is not started again."""

    http: Http | None = None
    tcp: Port | None = None
    grpc: Port | None = None
    liveness: bool = True


class Publish(_Strict, frozen=True):
    """A second Service with the published ports, for who is outside of the cluster."""

    type: Annotated[str, Meta(pattern="^(LoadBalancer|NodePort)$")] = "LoadBalancer"
    class_name: str = field(default="", name="class")
    annotations: dict[str, str] = {}


class Account(_Strict, frozen=True):
    """A ServiceAccount: one that is there, by its name, or one made with these annotations (the
    cloud's role, by EKS's and GKE's workload identity). `token`: the pods may ask the API."""

    name: str = ""
    annotations: dict[str, str] = {}
    token: bool = False


class Service(_Strict, frozen=True):
    """`services.<name>.x-kubernetes`."""

    ingress: Ingress | None = None
    route: Route | None = None
    publish: Publish | None = None
    autoscale: Autoscale | None = None
    probes: Probes | None = None
    secrets: dict[str, str] = {}  # variable: secret/key
    wait: dict[str, tuple[str, ...]] = {}  # dependency: what in its image tells that it is there
    pod: str = ""  # the service in whose pods this one is a container, too
    service_account: Account | None = None
    pull_secrets: tuple[str, ...] = ()
    drain: str = ""
    fs_group: int | None = None
    node_selector: dict[str, str] = {}
    tolerations: tuple[Json, ...] = ()
    priority_class: str = ""
    patch: dict[str, Json] = {}  # by kind


class Secret(_Strict, frozen=True):
    """`secrets.<name>.x-kubernetes`: a key of a Secret that is there, or of what a
    SecretProviderClass (Secrets Store CSI) brings."""

    name: str = ""
    key: str = ""
    provider_class: str = ""


class Config(_Strict, frozen=True):
    """`configs.<name>.x-kubernetes`, of one that is external: a key of a ConfigMap."""

    key: str = ""


class Volume(_Strict, frozen=True):
    """`volumes.<name>.x-kubernetes`. `each`: a claim for every replica."""

    size: str = ""
    class_name: str | None = field(default=None, name="class")
    access: Annotated[
        str, Meta(pattern="^(ReadWriteOnce|ReadWriteOncePod|ReadWriteMany|ReadOnlyMany)$")
    ] = "ReadWriteOnce"
    each: bool = False

    @property
    def is_everywhere(self) -> bool:
        """Whether pods on several nodes can have it at once, or each its own."""
        return self.each or self.access.endswith("Many")


def service(path: str, definition: Mapping[str, Any]) -> Service:
    return read(path, KEY, definition, Service) or Service()


def secret(path: str, definition: Mapping[str, Any]) -> Secret:
    return read(path, KEY, definition, Secret) or Secret()


def config(path: str, definition: Mapping[str, Any]) -> Config:
    return read(path, KEY, definition, Config) or Config()


def volume(path: str, definition: Mapping[str, Any]) -> Volume:
    return read(path, KEY, definition, Volume) or Volume()
