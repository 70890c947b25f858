"""Google Cloud: a key, the bucket, the repositories, and an identity for each environment."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
import pulumi_gcp as gcp

from account.settings import Gcp, Github, Settings, parts
from shipit.model.naming import account_id, short
from shipit.model.permission import Grant

_GITHUB = "https://token.actions.githubusercontent.com"
_LONGEST_POOL = 32  # Workload Identity Federation: of a pool's id
_LONGEST_SUBJECT = 127  # Workload Identity Federation: of google.subject
_LONGEST_LABEL = 63
_LONGEST_RING = 63
# Artifact Registry's and KMS's "europe" is "EU" of Cloud Storage ("Bucket locations").
_OF_BUCKETS = {"europe": "EU"}


def build(settings: Settings, wanted: Gcp) -> dict[str, Any]:
    name = settings.app
    provider = gcp.Provider(name, project=wanted.project)
    opts = pulumi.ResourceOptions(provider=provider, protect=True)
    labels = _labels(settings.tags)
    ring = gcp.kms.KeyRing(
        name,
        name=short(f"{name}-shipit", _LONGEST_RING),
        project=wanted.project,
        location=wanted.location,
        opts=opts,
    )
    key = gcp.kms.CryptoKey(
        name,
        name="stacks",
        key_ring=ring.id,
        rotation_period=f"{90 * 24 * 3600}s",
        labels=labels,
        opts=opts,
    )
    outputs: dict[str, Any] = {"gcp_key": key.id}
    buckets = {}
    if wanted.ledger:
        bucket = _bucket(name, wanted.ledger.bucket, wanted, labels, opts)
        outputs["gcp_bucket"] = buckets[f"gs://{wanted.ledger.bucket}"] = bucket.name
    made = {one: _repository(one, labels, opts) for one in wanted.repositories}
    outputs["gcp_repositories"] = {one: found.id for one, found in made.items()}
    if settings.github:
        # An environment that is not there any more takes its identity along.
        free = pulumi.ResourceOptions(provider=provider)
        pool, outputs["gcp_identity_provider"] = _federation(
            settings, settings.github, wanted, free
        )
        accounts = {
            environment: _account(settings.app, environment, wanted.project, free)
            for environment in settings.environments
        }
        for environment, account in accounts.items():
            name = f"{settings.app}-{environment}"
            _stands_for(name, account, pool, settings.github.subject(environment), free)
            grants = settings.grants.get(environment, ())
            _grant(name, account, grants, buckets, made, free)
        outputs["gcp_accounts"] = {name: account.email for name, account in accounts.items()}
    return outputs


def _labels(tags: Mapping[str, str]) -> dict[str, str]:
    """Google's are lower case, without what AWS's tags may have ("Requirements for labels")."""
    return {
        re.sub(r"[^a-z0-9_-]", "-", k.lower())[:_LONGEST_LABEL]: re.sub(
            r"[^a-z0-9_-]", "-", v.lower()
        )[:_LONGEST_LABEL]
        for k, v in tags.items()
    }


def _bucket(
    name: str, bucket: str, wanted: Gcp, labels: dict[str, str], opts: pulumi.ResourceOptions
) -> gcp.storage.Bucket:
    """Versioned and private. With uniform access, so that grants can have conditions."""
    return gcp.storage.Bucket(
        name,
        name=bucket,
        project=wanted.project,
        location=_OF_BUCKETS.get(wanted.location, wanted.location),
        uniform_bucket_level_access=True,
        public_access_prevention="enforced",
        versioning={"enabled": True},
        lifecycle_rules=[
            {"action": {"type": "Delete"}, "condition": {"days_since_noncurrent_time": 365}}
        ],
        labels=labels,
        opts=opts,
    )


def _repository(
    named: str, labels: dict[str, str], opts: pulumi.ResourceOptions
) -> gcp.artifactregistry.Repository:
    location, project, name = parts(named)
    return gcp.artifactregistry.Repository(
        named,
        repository_id=name,
        project=project,
        location=location,
        format="DOCKER",
        docker_config={"immutable_tags": False},
        vulnerability_scanning_config={"enablement_config": "INHERITED"},
        labels=labels,
        opts=opts,
    )


def _federation(
    settings: Settings, github: Github, wanted: Gcp, opts: pulumi.ResourceOptions
) -> tuple[gcp.iam.WorkloadIdentityPool, pulumi.Output[str]]:
    """Tokens of the repository's workflows are let in, and no others of GitHub's."""
    pool = gcp.iam.WorkloadIdentityPool(
        "github",
        project=wanted.project,
        workload_identity_pool_id=short(f"github-{settings.app}", _LONGEST_POOL),
        opts=opts,
    )
    claims = {
        "repository": github.repository,
        "repository_owner_id": github.owner_id,
        "repository_id": github.repository_id,
    }
    provider = gcp.iam.WorkloadIdentityPoolProvider(
        "github",
        project=wanted.project,
        workload_identity_pool_id=pool.workload_identity_pool_id,
        workload_identity_pool_provider_id="github",
        oidc={"issuer_uri": _GITHUB},
        attribute_mapping={"google.subject": "assertion.sub"},
        attribute_condition=" && ".join(
            f"assertion.{claim} == '{value}'" for claim, value in claims.items() if value
        ),
        opts=opts,
    )
    return pool, provider.name


def _account(
    app: str, environment: str, project: str, opts: pulumi.ResourceOptions
) -> gcp.serviceaccount.Account:
    return gcp.serviceaccount.Account(
        f"{app}-{environment}",
        account_id=account_id(app, environment),
        display_name=f"{app}: deploys to {environment}",
        project=project,
        opts=opts,
    )


def _stands_for(
    name: str,
    account: gcp.serviceaccount.Account,
    pool: gcp.iam.WorkloadIdentityPool,
    subject: str,
    opts: pulumi.ResourceOptions,
) -> None:
    """The token with this subject, and no other, may act as the account."""
    if len(subject) > _LONGEST_SUBJECT:
        raise pulumi.RunError(f"{subject}: Google takes subjects of {_LONGEST_SUBJECT} letters")
    gcp.serviceaccount.IAMMember(
        name,
        service_account_id=account.name,
        role="roles/iam.workloadIdentityUser",
        member=pool.name.apply(
            lambda pool: f"principal://iam.googleapis.com/{pool}/subject/{subject}"
        ),
        opts=opts,
    )


def _grant(
    name: str,
    account: gcp.serviceaccount.Account,
    grants: Iterable[Grant],
    buckets: Mapping[str, pulumi.Output[str]],
    repositories: Mapping[str, gcp.artifactregistry.Repository],
    opts: pulumi.ResourceOptions,
) -> None:
    member = account.email.apply(lambda email: f"serviceAccount:{email}")
    for grant in grants:
        resource = f"{name}-{grant.on}-{grant.role.rpartition('.')[2]}"
        if grant.on in buckets:
            gcp.storage.BucketIAMMember(
                resource,
                bucket=buckets[grant.on],
                role=grant.role,
                member=member,
                condition={"title": grant.why, "expression": grant.condition}
                if grant.condition
                else None,
                opts=opts,
            )
        elif grant.on in repositories:
            repository = repositories[grant.on]
            gcp.artifactregistry.RepositoryIamMember(
                resource,
                project=repository.project,
                location=repository.location,
                repository=repository.name,
                role=grant.role,
                member=member,
                opts=opts,
            )
        else:
            gcp.projects.IAMMember(
                resource,
                project=grant.on.removeprefix("projects/"),
                role=grant.role,
                member=member,
                opts=opts,
            )
