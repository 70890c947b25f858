"""What a check looks at, and how it says that it may not."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from shipit.errors import PreconditionError, RemoteError, ShipitError
from shipit.model.deployment import Desired, Finding
from shipit.targets.ecs import log_driver
from shipit.targets.ecs.cloud import Cloud, code_of, is_refused
from shipit.targets.ecs.render import Rendered, Setting

Json = dict[str, Any]
_ABSENT = (
    *("NoSuchEntity", "ResourceNotFoundException", "RepositoryNotFoundException"),
    *("ImageNotFoundException", "TargetGroupNotFound", "ParameterNotFound"),
    *("InvalidSubnetID.NotFound", "InvalidGroup.NotFound", "InvalidGroupId.Malformed"),
)


class Look(msgspec.Struct, frozen=True):
    """`wanted` are the services that would be deployed; none while there is no release."""

    cloud: Cloud
    cluster: str
    setting: Setting
    desired: Desired | None
    wanted: Mapping[str, Rendered]

    @staticmethod
    def log_groups(containers: Iterable[Json]) -> list[str]:
        """CloudWatch's, that these write to."""
        options = [(c.get("logConfiguration") or {}).get("options") or {} for c in containers]
        return sorted({str(o[log_driver.GROUP]) for o in options if log_driver.GROUP in o})

    def network(self) -> tuple[list[str], list[str]]:
        """Subnets and security groups: the target's, and those that services name themselves."""
        subnets = set(self.setting.network.subnets)
        groups = set(self.setting.network.security_groups)
        for one in self.wanted.values():
            said = (one.service.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
            subnets |= set(said.get("subnets") or ())
            groups |= set(said.get("securityGroups") or ())
        return sorted(subnets), sorted(groups)

    def containers(self) -> Iterator[Json]:
        for one in self.wanted.values():
            yield from one.task_definition["containerDefinitions"]


def on_fargate(one: Rendered) -> bool:
    return "FARGATE" in (one.task_definition.get("requiresCompatibilities") or ())


def parameter(value_from: str) -> str:
    """The name of an SSM parameter that a secret comes from, which may be written without the ARN
    around it; "" for what is in Secrets Manager."""
    if not value_from.startswith("arn:"):
        return value_from
    return value_from.partition(":parameter")[2] if ":ssm:" in value_from else ""


def guarded(subject: str, findings: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What is missing is an error; what this identity may not look at is a warning."""
    try:
        yield from findings()
    except RemoteError as error:
        if code_of(error) in _ABSENT or not is_refused(error):
            yield wrong(subject, error)
        else:
            yield Finding("warning", subject, f"cannot be looked at: {error.what}", error.next_step)
    except PreconditionError as error:
        yield wrong(subject, error)


def wrong(subject: str, error: ShipitError) -> Finding:
    what = f"{error.what}: {error.why}" if error.why else error.what
    return Finding("error", subject, what, error.next_step)
