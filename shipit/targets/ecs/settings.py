"""What the types of `target.ecs` cannot say: how its values must agree."""

from collections.abc import Iterator

from shipit.errors import ConfigurationError
from shipit.model.pipeline import EcsTarget


def refuse(target: EcsTarget, environment: str) -> None:
    """Raises ConfigurationError for the first thing that does not agree."""
    for key, what, next_step in _broken(target):
        raise ConfigurationError(
            what,
            file="shipit.yaml",
            path=f"environments.{environment}.target.ecs.{key}",
            next_step=next_step,
        )


def _broken(target: EcsTarget) -> Iterator[tuple[str, str, str]]:
    if target.capacity_providers and target.launch_type:
        both = "launch_type and capacity_providers are both here; one says what tasks run on"
        yield "capacity_providers", both, "take one away"
    for ids, tags in (
        ("subnets", "subnet_tags"),
        ("security_groups", "security_group_tags"),
    ):
        if getattr(target, ids) and getattr(target, tags):
            yield tags, f"{ids} and {tags} are both here; one says which", "take one away"
    if target.assign_public_ip and target.launch_type == "ec2":
        yield "assign_public_ip", "only Fargate gives tasks a public address", "take it away"
