"""What infra/ makes, by Pulumi's mocks. What its roles allow is held against deployments in
tests/integration/ledger/test_permissions.py."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.fakes.pulumi_engine.accounts import of_reference, references, snapshot
from tests.fakes.pulumi_engine.graph import Graph, of_account, of_environment, prepared
from tests.fakes.pulumi_engine.graph import references as stacks

REFERENCES = [*references()]
ECR = "111122223333.dkr.ecr"
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
# The clouds take neither tags nor labels for these.
UNMARKED = {
    *("aws:kms/alias:Alias", "aws:ecr/lifecyclePolicy:LifecyclePolicy"),
    *("aws:iam/rolePolicy:RolePolicy", "aws:s3/bucketPolicy:BucketPolicy"),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    *("gcp:kms/keyRing:KeyRing", "gcp:iam/workloadIdentityPool:WorkloadIdentityPool"),
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
    *("gcp:serviceaccount/account:Account", "gcp:serviceaccount/iAMMember:IAMMember"),
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
    "gcp:storage/bucketIAMMember:BucketIAMMember",
}

# What there is once in an account or a project: by what it is called, and how long that may be.
CALLED = {
    "aws:kms/alias:Alias": ("name", 256),
    "aws:iam/role:Role": ("name", 64),
    "aws:ecr/repository:Repository": ("name", 256),
    "gcp:kms/keyRing:KeyRing": ("name", 63),
    "gcp:artifactregistry/repository:Repository": ("repositoryId", 63),
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": ("workloadIdentityPoolId", 32),
    "gcp:serviceaccount/account:Account": ("accountId", 30),
}


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    return made(tmp_path, SHIPIT_YAML)


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Graph]:
    return {name: of_reference(name, tmp_path_factory.mktemp(name)) for name in REFERENCES}


def made(folder: Path, text: str) -> Graph:
    (folder / "shipit.yaml").write_text(text)
    (folder / "compose.yaml").write_text("services: {web: {build: .}, db: {image: postgres}}\n")
    return of_account(folder / "shipit.yaml")


def document(graph: Graph, kind: str, name: str) -> list[dict[str, Any]]:
    (found,) = [r for r in graph.of(kind) if r.name == name]
    written = found.inputs.get("policy") or found.inputs["assumeRolePolicy"]
    statements: list[dict[str, Any]] = json.loads(written)["Statement"]
    return statements


@pytest.mark.parametrize("pipeline", REFERENCES)
def test_the_account_is_as_it_was_reviewed(accounts: dict[str, Graph], pipeline: str) -> None:
    """`python -m tests.fakes.pulumi_engine.accounts` writes it anew."""
    assert accounts[pipeline].text() == snapshot(pipeline).read_text()


@pytest.mark.parametrize(
    ("pipeline", "environment"), [(p, e) for p, e in stacks() if p in ("eks", "gke", "hybrid")]
)
def test_who_deploys_to_a_cluster_is_who_infra_makes_for_that_environment(
    accounts: dict[str, Graph], pipeline: str, environment: str, tmp_path: Path
) -> None:
    """EKS refuses principals that are not there, and GKE never hears of them."""
    stack = of_environment(prepared(pipeline, tmp_path), environment)
    named = [r.inputs["principalArn"] for r in stack.of("aws:eks/accessEntry:AccessEntry")]
    named += [
        r.inputs["member"]
        for r in stack.of("gcp:projects/iAMMember:IAMMember")
        if r.inputs["role"] == "roles/container.clusterViewer"
    ]
    account = accounts[pipeline]
    roles = {
        r.name: f"arn:aws:iam::111122223333:role/{r.inputs['name']}"
        for r in account.of("aws:iam/role:Role")
    }
    accounts_there = {
        r.name: f"serviceAccount:{r.inputs['accountId']}@acme.iam.gserviceaccount.com"
        for r in account.of("gcp:serviceaccount/account:Account")
    }
    (deployer,) = named
    assert deployer in (
        roles.get(f"shop-{environment}"),
        accounts_there.get(f"shop-{environment}"),
    )


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


def test_repositories_in_every_registry_that_an_environment_names(tmp_path: Path) -> None:
    """What is built is in the first one; an environment's own holds copies of all that it runs.
    Without a repository in its name Artifact Registry has one for each service."""
    text = SHIPIT_YAML.replace("pkg.dev/acme/shop", "pkg.dev/other") + (
        "  production:\n    after: staging\n    target: {docker: {}}\n"
        f"    registry: {ECR}.us-east-1.amazonaws.com/live\n"
    )
    graph = made(tmp_path, text)
    providers = {
        r.name: r.inputs["region"] for r in graph.resources if r.type == "pulumi:providers:aws"
    }
    assert providers == {"shop": "eu-west-1", "shop-us-east-1": "us-east-1"}
    amazon = {r.name: r.inputs["name"] for r in graph.of("aws:ecr/repository:Repository")}
    assert amazon == {
        "eu-west-1/shop/web": "shop/web",
        "us-east-1/live/postgres": "live/postgres",
        "us-east-1/live/web": "live/web",
    }
    google = graph.of("gcp:artifactregistry/repository:Repository")
    assert {(r.inputs["project"], r.inputs["repositoryId"]) for r in google} == {
        ("other", "postgres"),
        ("other", "web"),
    }


def test_another_accounts_repositories_are_not_made_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi, "warn", said.append)
    text = SHIPIT_YAML.replace(
        "europe-west1-docker.pkg.dev/acme/shop", "444455556666.dkr.ecr.eu-west-1.amazonaws.com/live"
    )
    graph = made(tmp_path, text)
    assert graph.one("aws:ecr/repository:Repository").inputs["name"] == "shop/web"
    (sentence,) = [one for one in said if "not made" in one]
    assert "live/web in 444455556666" in sentence


def test_the_ledgers_bucket_is_private_and_versioned(graph: Graph) -> None:
    block = graph.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    assert all(block[k] is True for k in block if k.startswith(("block", "ignore", "restrict")))
    versioning = graph.one("aws:s3/bucketVersioning:BucketVersioning").inputs
    assert versioning["versioningConfiguration"]["status"] == "Enabled"


def test_only_what_was_written_over_goes_after_a_year(accounts: dict[str, Graph]) -> None:
    """Heartbeats are, every few seconds; nothing of the record ever is."""
    kind = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    (rule,) = accounts["eks"].one(kind).inputs["rules"]
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 365}
    assert "expiration" not in rule
    bucket = accounts["gke"].one("gcp:storage/bucket:Bucket").inputs
    assert bucket["versioning"] == {"enabled": True}
    assert bucket["lifecycleRules"] == [
        {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 365}}
    ]


def test_the_buckets_policy_enforces_conditional_writes(graph: Graph) -> None:
    """fm28. S3 User Guide, "Enforce conditional writes on Amazon S3 buckets": the parts of a
    multipart upload are exempt, its end is not, and copies cannot say the condition at all."""
    lasting = ["arn:aws:s3:::acme-shipit/shop/log/*", "arn:aws:s3:::acme-shipit/shop/releases/*"]
    deleting = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    assert document(graph, "aws:s3/bucketPolicy:BucketPolicy", "shop") == [
        {
            "Sid": "OnlyOverTLS",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": [
                *("s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"),
                *("s3:PutObject", *deleting),
            ],
            "Resource": ["arn:aws:s3:::acme-shipit", "arn:aws:s3:::acme-shipit/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {
            "Sid": "CommitsOnlyOnce",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": ["s3:PutObject"],
            "Resource": lasting,
            "Condition": {
                "Null": {"s3:if-none-match": "true"},
                "Bool": {"s3:ObjectCreationOperation": "true"},
            },
        },
        {
            "Sid": "CommitsStay",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": deleting,
            "Resource": lasting,
            "Condition": {"StringNotLike": {"aws:PrincipalArn": "arn:aws*:iam::*:root"}},
        },
    ]


def test_before_there_is_a_record_a_role_gets_what_is_known(graph: Graph) -> None:
    """The ledger is in a bucket that this very program makes."""
    kept = document(graph, "aws:iam/rolePolicy:RolePolicy", "shop-dev")
    actions = {action for statement in kept for action in statement["Action"]}
    assert {"s3:PutObject", "ecr:PutImage", "kms:Decrypt"} <= actions


def test_an_environment_pushes_to_its_own_registry_and_pulls_from_the_first(tmp_path: Path) -> None:
    text = SHIPIT_YAML.replace("s3://", "gs://").replace(
        f"{ECR}.eu-west-1.amazonaws.com/shop", "us-docker.pkg.dev/acme/built"
    )
    graph = made(tmp_path, text)
    found = {
        (r.inputs["member"].partition("@")[0], r.inputs["repository"]): r.inputs["role"]
        for r in graph.of("gcp:artifactregistry/repositoryIamMember:RepositoryIamMember")
    }
    built = "us-docker.pkg.dev/acme/built-id"
    assert found == {
        ("serviceAccount:shipit-shop-dev", built): "roles/artifactregistry.writer",
        ("serviceAccount:shipit-shop-staging", built): "roles/artifactregistry.reader",
        (
            "serviceAccount:shipit-shop-staging",
            "europe-west1-docker.pkg.dev/acme/shop-id",
        ): "roles/artifactregistry.writer",
    }


def test_a_cluster_that_no_stack_makes_is_found_all_the_same(graph: Graph) -> None:
    """A stack's own deployers are its own matter: no binding is of two stacks."""
    member = graph.one("gcp:projects/iAMMember:IAMMember").inputs
    assert member == {
        "project": "acme",
        "role": "roles/container.clusterViewer",
        "member": "serviceAccount:shipit-shop-staging@acme.iam.gserviceaccount.com",
    }


def test_two_applications_share_an_account_and_a_project(tmp_path: Path) -> None:
    """Nothing that is there once is called the same, however long the names are."""
    taken: set[tuple[str, str]] = set()
    for name in (
        "shop",
        "a-shop-with-a-long-name-of-its-own",
        "a-shop-with-a-long-name-of-another",
    ):
        (tmp_path / name).mkdir()
        graph = made(tmp_path / name, SHIPIT_YAML.replace("shop", name))
        called = [
            (kind, r.inputs[key]) for kind, (key, _) in CALLED.items() for r in graph.of(kind)
        ]
        assert {kind for kind, _ in called} == set(CALLED)
        assert not taken & set(called)
        assert [c for c in called if len(c[1]) > CALLED[c[0]][1]] == []
        taken |= set(called)


def test_a_bucket_in_europe_is_where_cloud_storage_has_one(tmp_path: Path) -> None:
    text = SHIPIT_YAML.replace("s3://", "gs://").replace("europe-west1-docker", "europe-docker")
    graph = made(
        tmp_path, text.replace(f"{ECR}.eu-west-1.amazonaws.com", "europe-docker.pkg.dev/a")
    )
    assert graph.one("gcp:storage/bucket:Bucket").inputs["location"] == "EU"
    assert graph.one("gcp:kms/keyRing:KeyRing").inputs["location"] == "europe"


def test_what_would_be_lost_is_protected(accounts: dict[str, Graph]) -> None:
    lasting = ("kms/", "s3/", "ecr/", "artifactregistry/repository:", "storage/bucket:")
    for graph in accounts.values():
        for resource in graph.resources:
            lasts = any(kind in resource.type for kind in lasting)
            assert resource.protect is lasts, resource.type


@pytest.mark.parametrize("pipeline", REFERENCES)
def test_everything_says_whose_it_is(accounts: dict[str, Graph], pipeline: str) -> None:
    for resource in accounts[pipeline].resources:
        if resource.type.startswith("pulumi:") or resource.type in UNMARKED:
            continue
        amazon = resource.type.startswith("aws:")
        marks = resource.inputs["tags" if amazon else "labels"]
        assert marks["shipit:app" if amazon else "shipit-app"] == "shop", resource.type
        assert marks["managed-by"] == "pulumi", resource.type


def test_the_exceptions_are_what_has_neither_tags_nor_labels(accounts: dict[str, Graph]) -> None:
    """By the SDKs' own types: none of them would take one."""
    import pulumi_aws
    import pulumi_gcp

    there = {r.type for graph in accounts.values() for r in graph.resources}
    assert there >= UNMARKED
    for kind in UNMARKED:
        package, module, name = kind.split(":")
        sdk = {"aws": pulumi_aws, "gcp": pulumi_gcp}[package]
        found = getattr(getattr(sdk, module.partition("/")[0]), name)
        assert not {"tags", "labels"} & set(dir(found)), kind


def test_tags_become_labels_that_google_takes(tmp_path: Path) -> None:
    text = SHIPIT_YAML.replace(
        "{github: acme/shop}", '{github: acme/shop, tags: {"Cost Center": "R&D/Shop"}}'
    )
    graph = made(tmp_path, text)
    google = graph.one("gcp:artifactregistry/repository:Repository").inputs
    assert google["labels"]["cost-center"] == "r-d-shop"
    assert graph.one("aws:ecr/repository:Repository").inputs["tags"]["Cost Center"] == "R&D/Shop"


def test_no_wildcard_in_what_is_allowed(accounts: dict[str, Graph]) -> None:
    for graph in accounts.values():
        for role in graph.of("aws:iam/rolePolicy:RolePolicy"):
            for statement in json.loads(role.inputs["policy"])["Statement"]:
                assert not [a for a in statement["Action"] if "*" in a]
                if "*" in statement["Resource"]:
                    assert statement.get("Condition") or statement["Action"] == LOGGING_IN


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("app: shop\nenvironments: {dev: {target: {docker: {}}}}\n", "nothing to make once"),
        (SHIPIT_YAML.replace("acme/shop}", "shop}"), "owner/name or owner@id/name@id, not 'shop'"),
        (SHIPIT_YAML.replace("acme/shop}", "acme@1/shop}"), "not 'acme@1/shop'"),
        (SHIPIT_YAML.replace("s3:", "gs:").replace("europe-west1-docker.pkg.dev/acme", "ghcr.io"),
         "a ledger on Cloud Storage needs a registry"),
        (SHIPIT_YAML.replace(f"registry: {ECR}.eu-west-1.amazonaws.com/shop\n", ""),
         "a ledger on S3 needs a registry"),
        (SHIPIT_YAML.replace("app: shop", f"app: {'s' * 53}"), "IAM takes 64 letters"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(pulumi.RunError) as raised:
        made(tmp_path, text)
    assert said in str(raised.value)
