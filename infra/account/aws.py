"""AWS: keys, the bucket, the repositories, and a role for each environment."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from account.settings import Aws, Github, Ledger, Settings
from shipit.ledger.permissions import of_key
from shipit.model.permission import partition_of, policy

_GITHUB = "token.actions.githubusercontent.com"
_LONGEST_ROLE = 64  # IAM User Guide, "IAM and AWS STS quotas"
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
    regions = sorted({region for region, _ in wanted.repositories} - {wanted.region})
    here = _options(name, wanted.region, settings)
    elsewhere = {region: _options(f"{name}-{region}", region, settings) for region in regions}
    stacks = _key(f"{name}-shipit", f"{name}: the secrets of its stacks", settings, here)
    outputs: dict[str, Any] = {"key": stacks.arn}
    record = None
    if wanted.ledger:
        record = _key(f"{name}-ledger", f"{name}: its ledger", settings, here)
        outputs["bucket"] = _bucket(settings, wanted.ledger, record, here).bucket
    outputs["repositories"] = [
        _repository(settings, region, one, elsewhere.get(region, here)).repository_url
        for region, one in wanted.repositories
    ]
    if settings.github:
        # An environment that is not there any more takes its role along.
        free = pulumi.ResourceOptions(provider=here.provider)
        outputs["roles"] = _roles(settings, wanted, settings.github, record, free)
    return outputs


def _options(name: str, region: str, settings: Settings) -> pulumi.ResourceOptions:
    provider = aws.Provider(name, region=region, default_tags={"tags": settings.tags})
    return pulumi.ResourceOptions(provider=provider, protect=True)


def _key(
    name: str, description: str, settings: Settings, opts: pulumi.ResourceOptions
) -> aws.kms.Key:
    """`alias/<name>` is what shipit.yaml calls it."""
    key = aws.kms.Key(
        name,
        description=description,
        enable_key_rotation=True,
        deletion_window_in_days=30,
        tags=settings.tags,
        opts=opts,
    )
    aws.kms.Alias(name, name=f"alias/{name}", target_key_id=key.key_id, opts=opts)
    return key


def _bucket(
    settings: Settings, wanted: Ledger, key: aws.kms.Key, opts: pulumi.ResourceOptions
) -> aws.s3.Bucket:
    """Versioned and private. Its policy refuses what is not encrypted on the way, and a commit of
    the log or a release that would be written over another."""
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
    aws.s3.BucketPolicy(
        name,
        bucket=bucket.id,
        policy=bucket.arn.apply(lambda arn: json.dumps(_bucket_policy(arn, wanted.once))),
        opts=opts,
    )
    return bucket


def _bucket_policy(arn: str, once: tuple[str, ...]) -> dict[str, Any]:
    """Every object that comes to be in a folder of `once` says If-None-Match: by PutObject, by the
    end of a multipart upload, or as a copy. The parts of an upload cannot say it, and are no object
    yet (S3 User Guide, "Enforce conditional writes on Amazon S3 buckets")."""

    def deny(sid: str, actions: list[str], what: list[str], when: Mapping[str, Any]) -> Any:
        return {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": actions,
            "Resource": what,
            "Condition": dict(when),
        }

    deleting = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    reading = ["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"]
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    unconditional = {
        "Null": {"s3:if-none-match": "true"},
        "Bool": {"s3:ObjectCreationOperation": "true"},
    }
    lasting = [f"{arn}/{folder}*" for folder in once]
    anyone_but_root = {"StringNotLike": {"aws:PrincipalArn": "arn:aws*:iam::*:root"}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            deny("OnlyOverTLS", [*reading, "s3:PutObject", *deleting], [arn, f"{arn}/*"], plain),
            deny("CommitsOnlyOnce", ["s3:PutObject"], lasting, unconditional),
            deny("CommitsStay", deleting, lasting, anyone_but_root),
        ],
    }


def _repository(
    settings: Settings, region: str, name: str, opts: pulumi.ResourceOptions
) -> aws.ecr.Repository:
    """As `shipit registry create` makes it: a tag is written once, unless environments hold it."""
    made = aws.ecr.Repository(
        f"{region}/{name}",
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
        f"{region}/{name}",
        repository=made.name,
        policy=json.dumps({"rules": [_KEEP]}),
        opts=opts,
    )
    return made


def _roles(
    settings: Settings,
    wanted: Aws,
    github: Github,
    key: aws.kms.Key | None,
    opts: pulumi.ResourceOptions,
) -> dict[str, pulumi.Output[str]]:
    """One for each environment, for workflows of the repository in GitHub's environment of that
    name and nowhere else. What it may is what `shipit iam` says."""
    trust = _trust(settings, wanted, github, opts)
    return {
        environment: _role(settings, environment, trust, github, key, opts).arn
        for environment in settings.environments
    }


def _trust(
    settings: Settings, wanted: Aws, github: Github, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """An account has one provider of that URL at most."""
    if github.trusted:
        partition = partition_of(wanted.region)
        return pulumi.Output.from_input(
            f"arn:{partition}:iam::{wanted.account}:oidc-provider/{_GITHUB}"
        )
    return aws.iam.OpenIdConnectProvider(
        "github",
        url=f"https://{_GITHUB}",
        client_id_lists=["sts.amazonaws.com"],
        tags=settings.tags,
        opts=opts,
    ).arn


def _role(
    settings: Settings,
    environment: str,
    trust: pulumi.Output[str],
    github: Github,
    key: aws.kms.Key | None,
    opts: pulumi.ResourceOptions,
) -> aws.iam.Role:
    name = f"shipit-{settings.app}-{environment}"
    if len(name) > _LONGEST_ROLE:
        raise pulumi.RunError(f"role {name}: IAM takes {_LONGEST_ROLE} letters: shorten `app`")
    subject = github.subject(environment)
    role = aws.iam.Role(
        f"{settings.app}-{environment}",
        name=name,
        assume_role_policy=trust.apply(lambda arn: json.dumps(_trusts(arn, subject))),
        max_session_duration=3600 * 4,
        tags={**settings.tags, "shipit:environment": environment},
        opts=opts,
    )
    document = settings.policies.get(environment)
    if document:
        aws.iam.RolePolicy(
            f"{settings.app}-{environment}",
            role=role.id,
            policy=_with_key(document, key),
            opts=opts,
        )
    return role


def _with_key(document: dict[str, Any], key: aws.kms.Key | None) -> pulumi.Input[str]:
    """The record is encrypted with a key that is made here: `shipit iam --key`."""
    if key is None:
        return json.dumps(document)
    known = document["Statement"]
    return key.arn.apply(
        lambda arn: json.dumps(
            {**document, "Statement": [*known, *policy([of_key(arn)])["Statement"]]}
        )
    )


def _trusts(provider: str, subject: str) -> dict[str, Any]:
    claims = {f"{_GITHUB}:aud": "sts.amazonaws.com", f"{_GITHUB}:sub": subject}
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
