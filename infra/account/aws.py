"""AWS: a key, the bucket, the repositories, and a role for each environment."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from account.settings import Aws, Settings

_GITHUB = "token.actions.githubusercontent.com"
_KEEP = {
    "rulePriority": 1,
    "description": "Untagged images go after a year: what environments hold has a shipit- tag",
    "selection": {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 365,
    },
    "action": {"type": "expire"},
}


def build(settings: Settings, wanted: Aws) -> dict[str, Any]:
    name = settings.app
    provider = aws.Provider(name, region=wanted.region, default_tags={"tags": settings.tags})
    opts = pulumi.ResourceOptions(provider=provider, protect=True)
    key = aws.kms.Key(
        name,
        description=f"{name}: the ledger, and the secrets of its stacks",
        enable_key_rotation=True,
        deletion_window_in_days=30,
        tags=settings.tags,
        opts=opts,
    )
    aws.kms.Alias(name, name=f"alias/{name}-shipit", target_key_id=key.key_id, opts=opts)
    outputs: dict[str, Any] = {"key": key.arn}
    if wanted.bucket:
        outputs["bucket"] = _bucket(settings, wanted, key, opts).bucket
    repositories = {one: _repository(settings, one, opts) for one in wanted.repositories}
    outputs["repositories"] = {one: made.repository_url for one, made in repositories.items()}
    if settings.github:
        # An environment that is not there any more takes its role along.
        free = pulumi.ResourceOptions(provider=provider)
        outputs["roles"] = _roles(settings, key, free)
    return outputs


def _bucket(
    settings: Settings, wanted: Aws, key: aws.kms.Key, opts: pulumi.ResourceOptions
) -> aws.s3.Bucket:
    """Versioned and private. Its policy refuses what is not encrypted on the way, and a commit of
    the log that would write over another (S3 User Guide, "Enforce conditional writes")."""
    name = settings.app
    bucket = aws.s3.Bucket(name, bucket=wanted.bucket, tags=settings.tags, opts=opts)
    aws.s3.BucketVersioning(
        name,
        bucket=bucket.id,
        versioning_configuration={"status": "Enabled"},
        opts=opts,
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        name,
        bucket=bucket.id,
        rules=[
            {
                "apply_server_side_encryption_by_default": {
                    "sse_algorithm": "aws:kms",
                    "kms_master_key_id": key.arn,
                },
                "bucket_key_enabled": True,
            }
        ],
        opts=opts,
    )
    aws.s3.BucketPublicAccessBlock(
        name,
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )
    aws.s3.BucketLifecycleConfiguration(
        name,
        bucket=bucket.id,
        rules=[
            {
                "id": "old-versions",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "noncurrent_version_expiration": {"noncurrent_days": 365},
            }
        ],
        opts=opts,
    )
    log = f"{wanted.prefix.strip('/')}/log/".lstrip("/")
    aws.s3.BucketPolicy(
        name,
        bucket=bucket.id,
        policy=bucket.arn.apply(lambda arn: json.dumps(_bucket_policy(arn, log))),
        opts=opts,
    )
    return bucket


def _bucket_policy(arn: str, log: str) -> dict[str, Any]:
    def deny(sid: str, actions: list[str], what: list[str], when: Mapping[str, Any]) -> Any:
        return {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": actions,
            "Resource": what,
            "Condition": dict(when),
        }

    plain = {"Bool": {"aws:SecureTransport": "false"}}
    everything = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]
    return {
        "Version": "2012-10-17",
        "Statement": [
            deny("OnlyOverTLS", everything, [arn, f"{arn}/*"], plain),
            deny(
                "CommitsOnlyOnce",
                ["s3:PutObject"],
                [f"{arn}/{log}*"],
                {
                    "Null": {"s3:if-none-match": "true"},
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                },
            ),
            deny(
                "CommitsStay",
                ["s3:DeleteObject", "s3:DeleteObjectVersion"],
                [f"{arn}/{log}*"],
                {"StringNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}},
            ),
        ],
    }


def _repository(settings: Settings, name: str, opts: pulumi.ResourceOptions) -> aws.ecr.Repository:
    """As `shipit registry create` makes it: a tag is written once, unless environments hold it."""
    made = aws.ecr.Repository(
        name,
        name=name,
        image_tag_mutability="IMMUTABLE_WITH_EXCLUSION",
        image_tag_mutability_exclusion_filters=[
            {"filter": "shipit-*", "filter_type": "WILDCARD"},
            {"filter": "sha256-*", "filter_type": "WILDCARD"},
        ],
        image_scanning_configuration={"scan_on_push": True},
        encryption_configurations=[{"encryption_type": "AES256"}],
        tags=settings.tags,
        opts=opts,
    )
    aws.ecr.LifecyclePolicy(
        name, repository=made.name, policy=json.dumps({"rules": [_KEEP]}), opts=opts
    )
    return made


def _roles(
    settings: Settings, key: aws.kms.Key, opts: pulumi.ResourceOptions
) -> dict[str, pulumi.Output[str]]:
    """One for each environment, for workflows of the repository in GitHub's environment of that
    name and nowhere else. What it may is what `shipit iam` says."""
    trust = aws.iam.OpenIdConnectProvider(
        "github",
        url=f"https://{_GITHUB}",
        client_id_lists=["sts.amazonaws.com"],
        tags=settings.tags,
        opts=opts,
    )
    roles = {}
    for environment in settings.environments:
        role = aws.iam.Role(
            f"{settings.app}-{environment}",
            name=f"shipit-{settings.app}-{environment}"[:64],
            assume_role_policy=trust.arn.apply(
                lambda arn, environment=environment: json.dumps(
                    _trusts(arn, settings.github, environment)
                )
            ),
            max_session_duration=3600 * 4,
            tags={**settings.tags, "shipit:environment": environment},
            opts=opts,
        )
        document = settings.policies.get(environment)
        if document:
            aws.iam.RolePolicy(
                f"{settings.app}-{environment}",
                role=role.id,
                policy=json.dumps(document),
                opts=opts,
            )
        aws.iam.RolePolicy(
            f"{settings.app}-{environment}-key",
            role=role.id,
            policy=key.arn.apply(lambda arn: json.dumps(_uses(arn))),
            opts=opts,
        )
        roles[environment] = role.arn
    return roles


def _trusts(provider: str, repository: str, environment: str) -> dict[str, Any]:
    claims = {
        f"{_GITHUB}:aud": "sts.amazonaws.com",
        f"{_GITHUB}:sub": f"repo:{repository}:environment:{environment}",
    }
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider},
                "Action": ["sts:AssumeRoleWithWebIdentity"],
                "Condition": {"StringEquals": claims},
            }
        ],
    }


def _uses(key: str) -> dict[str, Any]:
    statement = {
        "Sid": "UseTheKey",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
        "Resource": [key],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
