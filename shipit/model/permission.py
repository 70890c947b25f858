"""What an identity has to be allowed: the statements of an IAM policy, and Google's roles."""

from collections.abc import Iterable
from typing import Any

import msgspec

Json = dict[str, Any]


class Permission(msgspec.Struct, frozen=True):
    """`actions` as IAM writes them (`ecs:UpdateService`) on `resources` (ARNs), for `why`."""

    why: str
    actions: tuple[str, ...]
    resources: tuple[str, ...] = ("*",)
    condition: Json = {}


class Grant(msgspec.Struct, frozen=True):
    """A role of Google Cloud's for `why`, `on` a bucket (gs://acme-shipit), a repository
    (europe-docker.pkg.dev/acme/shop) or a project (projects/acme). `condition` in CEL, "" where
    there is none."""

    why: str
    role: str
    on: str
    condition: str = ""


def policy(permissions: Iterable[Permission]) -> Json:
    """The document (IAM User Guide, "IAM JSON policy elements"), statements of one kind merged."""
    merged: dict[str, Permission] = {}
    for one in permissions:
        known = merged.get(one.why, one)
        merged[one.why] = msgspec.structs.replace(
            one,
            actions=tuple(dict.fromkeys((*known.actions, *one.actions))),
            resources=tuple(dict.fromkeys((*known.resources, *one.resources))),
        )
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "".join(word.capitalize() for word in one.why.split()),
                "Effect": "Allow",
                "Action": sorted(one.actions),
                "Resource": sorted(one.resources),
                **({"Condition": one.condition} if one.condition else {}),
            }
            for one in merged.values()
        ],
    }


def partition_of(region: str) -> str:
    """Without asking anybody for credentials (AWS General Reference, "ARN format")."""
    for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(prefix):
            return partition
    return "aws"
