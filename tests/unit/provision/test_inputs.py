"""The tests' provider refuses what the SDKs' types do not have, at any depth."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.pulumi_engine.graph import SNAPSHOTS
from tests.fakes.pulumi_engine.inputs import wrong

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "x"}
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
RULES = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
REPOSITORY = "gcp:artifactregistry/repository:Repository"


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16", "tags": {"size": "small"}}),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": UNKNOWN, "tags": UNKNOWN, "enableDnsSupport": True}),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": SECRET, "__defaults": []}),
        (VERSIONING, {"bucket": "acme", "versioningConfiguration": {"status": "Enabled"}}),
        (VERSIONING, {"bucket": UNKNOWN, "versioningConfiguration": UNKNOWN}),
        (
            REPOSITORY,
            {"repositoryId": "shop", "format": "DOCKER", "dockerConfig": {"immutableTags": False}},
        ),
    ],
)
def test_what_the_types_have_is_right(kind: str, given: dict[str, Any]) -> None:
    assert wrong(kind, given) == []


@pytest.mark.parametrize(
    ("kind", "given", "path", "why"),
    [
        ("aws:ec2/vpc:Vpc", {"colour": "red"}, "colour", "Vpc has no such property"),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": 10.0}, "cidrBlock", "10.0 is not str"),
        ("aws:ec2/vpc:Vpc", {"enableDnsSupport": "yes"}, "enableDnsSupport", "'yes' is not bool"),
        ("aws:ec2/vpc:Vpc", {"tags": {"size": 3.0}}, "tags[size]", "3.0 is not str"),
        ("aws:ec2/vpc:Vpc", {"tags": ["small"]}, "tags", "['small'] is not an object"),
        (
            VERSIONING,
            {"bucket": "acme", "versioningConfiguration": {"status": "Enabled", "mfa": "no"}},
            "versioningConfiguration.mfa",
            "BucketVersioningVersioningConfiguration has no such property",
        ),
        (
            VERSIONING,
            {"bucket": "acme", "versioningConfiguration": {}},
            "versioningConfiguration.status",
            "it is missing",
        ),
        (
            RULES,
            {
                "bucket": "acme",
                "rules": [{"id": "a", "status": "Enabled", "filter": {"prefx": ""}}],
            },
            "rules[0].filter.prefx",
            "BucketLifecycleConfigurationRuleFilter has no such property",
        ),
        (RULES, {"bucket": "acme", "rules": {}}, "rules", "{} is not a list"),
        (
            REPOSITORY,
            {"repositoryId": "shop", "format": "DOCKER", "dockerConfig": {"immutable": True}},
            "dockerConfig.immutable",
            "RepositoryDockerConfig has no such property",
        ),
    ],
)
def test_what_they_do_not_have_is_named_by_its_path(
    kind: str, given: dict[str, Any], path: str, why: str
) -> None:
    assert wrong(kind, given) == [(path, why)]


@pytest.mark.parametrize("snapshot", sorted(SNAPSHOTS.glob("*.json")), ids=lambda path: path.stem)
def test_the_reference_stacks_are_right_at_every_depth(snapshot: Path) -> None:
    """Where no engine is, too: the mocks let a wrong key of a nested object pass."""
    resources = json.loads(snapshot.read_text())["resources"]
    checked = [one for one in resources if one["type"].startswith(("aws:", "gcp:"))]
    assert checked
    found = {one["name"]: wrong(one["type"], one["inputs"]) for one in checked}
    assert {name: problems for name, problems in found.items() if problems} == {}
