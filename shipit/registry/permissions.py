"""What pulling and pushing need of IAM: AWS's for ECR ("Amazon ECR private repository policies"),
Google's for Artifact Registry ("Artifact Registry roles")."""

from collections.abc import Iterator

from shipit.model.permission import Grant, Permission, partition_of
from shipit.registry import address, aws, google
from shipit.registry.repositories import kinds

_PULL = (
    *("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"),
    *("ecr:DescribeImages", "ecr:ListImages"),
)
_PUSH = (
    *("ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload"),
    "ecr:PutImage",
)


def needed(repository: str, *, push: bool, clear: bool = False) -> Iterator[Permission]:
    """For one repository; nothing where it is not a private one of ECR's."""
    registry, name = address.split(repository)
    host = aws.parse(registry)
    if host is None or not host.account:
        return
    arn = f"arn:{partition_of(host.region)}:ecr:{host.region}:{host.account}:repository/{name}"
    yield Permission("log in to ECR", ("ecr:GetAuthorizationToken",))
    yield Permission("pull images", _PULL, (arn,))
    yield Permission("see that repositories are there", ("ecr:DescribeRepositories",), (arn,))
    if push:
        yield Permission("push images", _PUSH, (arn,))
    if clear:
        yield Permission("delete retention tags", ("ecr:BatchDeleteImage",), (arn,))


def granted(repository: str, *, push: bool) -> Iterator[Grant]:
    """On the repository of Artifact Registry that it lies in; nothing for another registry's."""
    kind = kinds.find(repository)
    if kind is None or google.parse(address.split(repository)[0]) is None:
        return
    if push:
        yield Grant("push images", "roles/artifactregistry.writer", kind.home(repository))
    else:
        yield Grant("pull images", "roles/artifactregistry.reader", kind.home(repository))
