"""`x-ecs`: what Compose has no words for. Decoded strictly; the path is in the error."""

from collections.abc import Mapping
from typing import Any

import msgspec

from shipit.model.extension import read

KEY = "x-ecs"


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class LoadBalancer(_Strict, frozen=True):
    """A target group that the tasks are registered in; `port` is the container's."""

    target_group: str
    port: int


class ServiceRegistry(_Strict, frozen=True):
    """A Cloud Map service. `port` is for SRV records."""

    arn: str
    port: int = 0


class ConnectService(_Strict, frozen=True):
    """A port (by its `name:` in compose.yaml) that others in the namespace reach as `dns:port`."""

    port_name: str
    dns: str = ""
    port: int = 0


class ServiceConnect(_Strict, frozen=True):
    namespace: str
    services: tuple[ConnectService, ...] = ()


class Service(_Strict, frozen=True):
    """`services.<name>.x-ecs`."""

    task: str = ""
    secrets: dict[str, str] = {}
    load_balancers: tuple[LoadBalancer, ...] = ()
    health_check_grace_period: str = ""
    service_registries: tuple[ServiceRegistry, ...] = ()
    service_connect: ServiceConnect | None = None
    autoscaled: bool = False
    alarms: tuple[str, ...] = ()
    essential: bool = True
    exec: bool = False
    firelens: str = ""
    ephemeral_storage: int = 0
    execution_role: str = ""
    task_role: str = ""


class Secret(_Strict, frozen=True):
    """`secrets.<name>.x-ecs`: a Secrets Manager or SSM Parameter Store ARN."""

    arn: str


class Efs(_Strict, frozen=True):
    file_system: str
    access_point: str = ""
    root_directory: str = ""
    iam: bool = False


class Volume(_Strict, frozen=True):
    """`volumes.<name>.x-ecs`."""

    efs: Efs | None = None
    ephemeral: bool = False


def service(path: str, definition: Mapping[str, Any]) -> Service:
    return read(path, KEY, definition, Service) or Service()


def secret(path: str, definition: Mapping[str, Any]) -> Secret | None:
    return read(path, KEY, definition, Secret)


def volume(path: str, definition: Mapping[str, Any]) -> Volume:
    return read(path, KEY, definition, Volume) or Volume()
