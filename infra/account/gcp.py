"""Google Cloud: a key, the bucket, the repositories, and an identity for each environment."""

from typing import Any

import pulumi
import pulumi_gcp as gcp

from account.settings import Gcp, Settings

_GITHUB = "https://token.actions.githubusercontent.com"


def build(settings: Settings, wanted: Gcp) -> dict[str, Any]:
    name = settings.app
    provider = gcp.Provider(name, project=wanted.project)
    opts = pulumi.ResourceOptions(provider=provider, protect=True)
    labels = {k.replace(":", "-"): v.lower().replace("/", "-") for k, v in settings.tags.items()}
    ring = gcp.kms.KeyRing(
        name, name="shipit", project=wanted.project, location=wanted.location, opts=opts
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
    if wanted.bucket:
        outputs["gcp_bucket"] = gcp.storage.Bucket(
            name,
            name=wanted.bucket,
            project=wanted.project,
            location=wanted.location,
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning={"enabled": True},
            labels=labels,
            opts=opts,
        ).name
    made = {
        repository: gcp.artifactregistry.Repository(
            f"{name}-{location}-{repository}",
            repository_id=repository,
            project=wanted.project,
            location=location,
            format="DOCKER",
            docker_config={"immutable_tags": False},
            vulnerability_scanning_config={"enablement_config": "INHERITED"},
            labels=labels,
            opts=opts,
        )
        for location, repository in wanted.repositories
    }
    outputs["gcp_repositories"] = {one: found.id for one, found in made.items()}
    if settings.github:
        # An environment that is not there any more takes its identity along.
        free = pulumi.ResourceOptions(provider=provider)
        outputs |= _federation(settings, wanted, made, free)
    return outputs


def _federation(
    settings: Settings,
    wanted: Gcp,
    repositories: dict[str, gcp.artifactregistry.Repository],
    opts: pulumi.ResourceOptions,
) -> dict[str, Any]:
    """Workload identity: a token of the repository's workflows stands for a service account, that
    of the environment which GitHub says the job is in."""
    pool = gcp.iam.WorkloadIdentityPool(
        "github", project=wanted.project, workload_identity_pool_id="github", opts=opts
    )
    provider = gcp.iam.WorkloadIdentityPoolProvider(
        "github",
        project=wanted.project,
        workload_identity_pool_id=pool.workload_identity_pool_id,
        workload_identity_pool_provider_id="github",
        oidc={"issuer_uri": _GITHUB},
        attribute_mapping={
            "google.subject": "assertion.sub",
            "attribute.repository": "assertion.repository",
            "attribute.environment": "assertion.environment",
        },
        attribute_condition=f"assertion.repository == '{settings.github}'",
        opts=opts,
    )
    accounts = {}
    for environment in settings.environments:
        account = gcp.serviceaccount.Account(
            f"{settings.app}-{environment}",
            account_id=f"shipit-{environment}"[:30].rstrip("-"),
            display_name=f"{settings.app}: deploys to {environment}",
            project=wanted.project,
            opts=opts,
        )
        gcp.serviceaccount.IAMMember(
            f"{settings.app}-{environment}",
            service_account_id=account.name,
            role="roles/iam.workloadIdentityUser",
            member=pool.name.apply(
                lambda name, environment=environment: (
                    f"principalSet://iam.googleapis.com/{name}/attribute.environment/{environment}"
                )
            ),
            opts=opts,
        )
        for name, repository in repositories.items():
            gcp.artifactregistry.RepositoryIamMember(
                f"{settings.app}-{environment}-{name}",
                project=wanted.project,
                location=repository.location,
                repository=repository.name,
                role="roles/artifactregistry.writer",
                member=account.email.apply(lambda email: f"serviceAccount:{email}"),
                opts=opts,
            )
        accounts[environment] = account.email
    return {"gcp_identity_provider": provider.name, "gcp_accounts": accounts}
