"""What carries tags of its own, as the provider's default tags do not reach it."""

from collections.abc import Mapping

import pulumi_aws as aws

_LAUNCHED = ("instance", "volume", "network-interface")


def launched(
    tags: Mapping[str, str],
) -> list[aws.ec2.LaunchTemplateTagSpecificationArgs]:
    """For a launch template: the machines that are made from it, and what each brings along."""
    return [
        aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=dict(tags))
        for kind in _LAUNCHED
    ]
