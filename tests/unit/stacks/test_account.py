"""What infra/ makes, by Pulumi's mocks."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from shipit.config import file
from shipit.delivery.iam import least
from shipit.delivery.project import Project
from tests.fakes.pulumi_engine.graph import Graph, of_account

LOGGING_IN = ["ecr:GetAuthorizationToken"]  # AWS takes no resource and no condition for it
SHIPIT_YAML = """\
app: shop
registry: 111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop
ledger: s3://acme-shipit/shop
x-infra: {github: acme/shop}
environments:
  dev: {target: {docker: {}}}
  staging:
    after: dev
    registry: europe-west1-docker.pkg.dev/acme/shop
    target: {gke: {project: acme, location: europe-west1, cluster: staging}}
"""


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return made(tmp_path, SHIPIT_YAML)


def made(folder: Path, text: str) -> Graph:
    (folder / "shipit.yaml").write_text(text)
    (folder / "compose.yaml").write_text("services: {web: {build: .}, db: {image: postgres}}\n")
    return of_account(folder / "shipit.yaml")


def document(graph: Graph, kind: str, name: str) -> list[dict[str, Any]]:
    (found,) = [r for r in graph.of(kind) if r.name == name]
    written = found.inputs.get("policy") or found.inputs["assumeRolePolicy"]
    statements: list[dict[str, Any]] = json.loads(written)["Statement"]
    return statements


def test_a_repository_for_each_image_that_is_built(graph: Graph) -> None:
    repository = graph.one("aws:ecr/repository:Repository").inputs
    assert repository["name"] == "shop/web"
    assert repository["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    kept = [f["filter"] for f in repository["imageTagMutabilityExclusionFilters"]]
    assert kept == ["shipit-*", "sha256-*"]
    (rule,) = json.loads(graph.one("aws:ecr/lifecyclePolicy:LifecyclePolicy").inputs["policy"])[
        "rules"
    ]
    assert rule["selection"]["tagStatus"] == "untagged"
    google = graph.one("gcp:artifactregistry/repository:Repository").inputs
    assert (google["location"], google["repositoryId"]) == ("europe-west1", "shop")


def test_the_ledgers_bucket_is_private_versioned_and_written_once(graph: Graph) -> None:
    block = graph.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    assert all(block[k] is True for k in block if k.startswith(("block", "ignore", "restrict")))
    versioning = graph.one("aws:s3/bucketVersioning:BucketVersioning").inputs
    assert versioning["versioningConfiguration"]["status"] == "Enabled"
    statements = {s["Sid"]: s for s in document(graph, "aws:s3/bucketPolicy:BucketPolicy", "shop")}
    once = statements["CommitsOnlyOnce"]
    assert once["Effect"] == "Deny"
    assert [r.partition(":::")[2] for r in once["Resource"]] == ["acme-shipit/shop/log/*"]
    assert once["Condition"]["Null"] == {"s3:if-none-match": "true"}


def test_a_role_is_for_one_environment_of_one_repository(graph: Graph) -> None:
    (trust,) = document(graph, "aws:iam/role:Role", "shop-staging")
    claims = trust["Condition"]["StringEquals"]
    assert claims["token.actions.githubusercontent.com:sub"] == "repo:acme/shop:environment:staging"
    provider = graph.one("gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider").inputs
    assert provider["attributeCondition"] == "assertion.repository == 'acme/shop'"
    members = {
        r.name: r.inputs["member"] for r in graph.of("gcp:serviceaccount/iAMMember:IAMMember")
    }
    assert members["shop-dev"].endswith("/attribute.environment/dev")


def test_a_role_may_what_the_code_calls_and_nothing_else(tmp_path: Path) -> None:
    """Held against `shipit iam`, which a test of its own holds against the calls in the code."""
    text = SHIPIT_YAML.replace("ledger: s3://acme-shipit/shop\n", "")
    text += """  production:
    after: staging
    target:
      ecs: {region: eu-west-1, cluster: prod, subnets: [subnet-1]}
"""
    graph = made(tmp_path, text)
    project = Project(file.load(tmp_path / "shipit.yaml"))
    for environment in ("dev", "production"):
        wanted, _ = least(project, environment, "111122223333", clearing=False)
        kept = document(graph, "aws:iam/rolePolicy:RolePolicy", f"shop-{environment}")
        assert kept == wanted["Statement"], environment
    (services,) = (s for s in kept if s["Sid"] == "DeployServices")
    assert services["Resource"] == [
        "arn:aws:ecs:eu-west-1:111122223333:service/prod/shop-production-*"
    ]


def test_before_there_is_a_record_a_role_gets_what_is_known(graph: Graph) -> None:
    """The ledger is in a bucket that this very program makes."""
    kept = document(graph, "aws:iam/rolePolicy:RolePolicy", "shop-dev")
    actions = {action for statement in kept for action in statement["Action"]}
    assert {"s3:PutObject", "ecr:PutImage"} <= actions


def test_what_would_be_lost_is_protected(graph: Graph) -> None:
    lasting = ("kms/", "s3/", "ecr/", "artifactregistry/repository:", "storage/")
    for resource in graph.resources:
        lasts = any(kind in resource.type for kind in lasting)
        assert resource.protect is lasts, resource.type


def test_no_wildcard_in_what_is_allowed(graph: Graph) -> None:
    for role in graph.of("aws:iam/rolePolicy:RolePolicy"):
        for statement in json.loads(role.inputs["policy"])["Statement"]:
            assert not [a for a in statement["Action"] if "*" in a]
            if "*" in statement["Resource"]:
                assert statement.get("Condition") or statement["Action"] == LOGGING_IN


def test_nothing_to_make_is_said(tmp_path: Path) -> None:
    with pytest.raises(pulumi.RunError, match="nothing to make once"):
        made(tmp_path, "app: shop\nenvironments: {dev: {target: {docker: {}}}}\n")
