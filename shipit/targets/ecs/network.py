"""Subnets and security groups, by id or by tag."""

from collections.abc import Mapping
from typing import Any

from shipit.errors import PreconditionError
from shipit.model.pipeline import EcsTarget
from shipit.targets.ecs.cloud import Cloud
from shipit.targets.ecs.render import Network


def find(cloud: Cloud, target: EcsTarget) -> Network:
    """EC2 is asked only where there are tags. Raises PreconditionError when nothing has them."""
    return Network(
        subnets=target.subnets
        or _tagged(cloud, "describe_subnets", "Subnets", "SubnetId", target.subnet_tags),
        security_groups=target.security_groups
        or _tagged(
            cloud,
            "describe_security_groups",
            "SecurityGroups",
            "GroupId",
            target.security_group_tags,
        ),
    )


def _tagged(
    cloud: Cloud, operation: str, key: str, identity: str, tags: Mapping[str, str]
) -> tuple[str, ...]:
    if not tags:
        return ()
    filters = [{"Name": f"tag:{name}", "Values": [value]} for name, value in sorted(tags.items())]
    answer: dict[str, Any] = cloud.call("ec2", operation, Filters=filters)
    found = tuple(sorted(str(item[identity]) for item in answer.get(key) or ()))
    if not found:
        said = ", ".join(f"{name}={value}" for name, value in tags.items())
        raise PreconditionError(
            f"no {key} in {cloud.region} have the tags {said}",
            next_step="look at their tags, or name them by id in target.ecs",
        )
    return found
