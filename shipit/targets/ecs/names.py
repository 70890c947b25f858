"""How things are called in AWS, and what they are tagged with."""

from collections.abc import Iterable, Mapping
from typing import Any

from shipit.errors import ConfigurationError

APP, ENVIRONMENT, RELEASE = "shipit:app", "shipit:environment", "shipit:release"
SERVICE, DEPLOYMENT = "shipit:service", "shipit:deployment"
# The count that shipit asked for last, and the one that `stop` remembers for `start`.
REPLICAS, STOPPED = "shipit:replicas", "shipit:stopped"
_LONGEST = 255  # docs.aws.amazon.com, CreateService: serviceName


def service_name(prefix: str, group: str) -> str:
    """`<app>-<environment>-<group>`, the family's name too. Raises ConfigurationError."""
    name = f"{prefix}-{group}".replace(".", "-")
    if len(name) > _LONGEST:
        raise ConfigurationError(
            f"the ECS service's name would be longer than {_LONGEST} characters: {name[:60]}…",
            path=f"services.{group}",
        )
    return name


def tags(values: Mapping[str, str]) -> list[dict[str, str]]:
    """As ECS writes them."""
    return [{"key": key, "value": value} for key, value in values.items()]


def untagged(found: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in found or ()}


def last_part(arn: Any) -> str:
    """`arn:aws:ecs:…:task/cluster/0123` is 0123; what is no ARN stays."""
    return str(arn or "").rpartition("/")[2]
