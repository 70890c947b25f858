"""Amazon ECR: a repository for each service, through boto3."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Self, TypeVar

from shipit.errors import PreconditionError, RemoteError, ShipitError
from shipit.registry import address, aws
from shipit.registry.repositories.plan import (
    REFERRER_TAGS,
    RETENTION_TAGS,
    Action,
    Change,
    Wishes,
    days,
)

T = TypeVar("T")
_MARK = {"Key": "created-by", "Value": "shipit"}
_MOVABLE = [f"{RETENTION_TAGS}*", f"{REFERRER_TAGS}*"]
_NEVER = 9999  # more images than a rule that protects will ever count
_DENIED = ("AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException")
_TEMPORARY = ("ServerException", "ThrottlingException", "RequestLimitExceeded")


class Repositories:
    """See plan.Kind. Repository policies and what others made are left as they are."""

    def home(self, repository: str) -> str:
        return repository

    def plan(self, repository: str, wishes: Wishes) -> Change:
        with _Account(repository) as account:
            found = account.describe()
            if found is None:
                settings = tuple(_settings(wishes, account.host.region))
                return Change(repository, Action.CREATE, settings)
            if account.is_unfinished(found):
                return Change(repository, Action.COMPLETE, (_lifecycle_in_words(wishes),))
            return Change(repository, Action.KEEP, note="; ".join(_differences(found)))

    def apply(self, change: Change, wishes: Wishes) -> None:
        with _Account(change.repository) as account:
            if change.action is Action.CREATE and not account.create(wishes):
                return  # somebody else made it meanwhile: it is theirs
            account.put_lifecycle(lifecycle(wishes))


class _Account:
    """The API of one repository's account and region."""

    def __init__(self, repository: str) -> None:
        self.repository = repository
        registry, self.name = address.split(repository)
        host = aws.parse(registry)
        if host is None or not host.account:
            raise PreconditionError(f"{repository} is not in a private ECR registry")
        if not aws.is_installed():
            raise PreconditionError(
                f"{repository} cannot be looked at", "boto3 is not installed", aws.INSTALL
            )
        self.host = host
        self._where = {"registryId": host.account, "repositoryName": self.name}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        client = aws.client(self.host)
        self._client: Any = self._mapped("a client", lambda: self._open.enter_context(client))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def describe(self) -> dict[str, Any] | None:
        asked = {"registryId": self.host.account, "repositoryNames": [self.name]}
        try:
            answer = self._call("describe_repositories", **asked)
        except self._client.exceptions.RepositoryNotFoundException:
            return None
        found: dict[str, Any] = answer["repositories"][0]
        return found

    def is_unfinished(self, found: dict[str, Any]) -> bool:
        """Made by shipit, and without the lifecycle policy that comes second."""
        tags = self._call("list_tags_for_resource", resourceArn=found["repositoryArn"])["tags"]
        if _MARK not in tags:
            return False
        try:
            self._call("get_lifecycle_policy", **self._where)
        except self._client.exceptions.LifecyclePolicyNotFoundException:
            return True
        return False

    def create(self, wishes: Wishes) -> bool:
        """False when it was there."""
        try:
            self._call("create_repository", **self._where, **request(wishes, self.host.region))
        except self._client.exceptions.RepositoryAlreadyExistsException:
            return False
        return True

    def put_lifecycle(self, policy: dict[str, Any]) -> None:
        text = json.dumps(policy)
        self._call("put_lifecycle_policy", **self._where, lifecyclePolicyText=text)

    def _call(self, operation: str, **words: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._mapped(
            f"ecr:{_in_iam(operation)}", lambda: getattr(self._client, operation)(**words)
        )
        return answer

    def _mapped(self, what: str, work: Callable[[], T]) -> T:
        """Answers that a caller understands pass; every other exception of botocore ends here."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return work()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _UNDERSTOOD:
                raise
            raise _refused(self.repository, what, error) from None
        except BotoCoreError as error:
            raise PreconditionError(
                f"AWS was not asked for {self.repository}",
                aws.said(error),
                "look at AWS_PROFILE or the AWS_ variables: `aws sts get-caller-identity`",
            ) from None


_UNDERSTOOD = (
    "RepositoryNotFoundException",
    "LifecyclePolicyNotFoundException",
    "RepositoryAlreadyExistsException",
)


def _refused(repository: str, what: str, error: Any) -> ShipitError:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _DENIED:
        return PreconditionError(
            f"AWS refuses {what} for {repository}",
            aws.said(error),
            f"use credentials that may: {what} on this repository",
        )
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return RemoteError(
        f"AWS could not do {what} for {repository}",
        aws.said(error),
        request=what,
        status=status,
        temporary=code in _TEMPORARY,
    )


def _in_iam(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))


def request(wishes: Wishes, region: str) -> dict[str, Any]:
    """CreateRepository's parameters, but for the name."""
    filters = [{"filterType": "WILDCARD", "filter": pattern} for pattern in _MOVABLE]
    key = _key(wishes, region)
    encryption = {"encryptionType": "KMS", "kmsKey": key} if key else {"encryptionType": "AES256"}
    return {
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": filters,
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfiguration": encryption,
        "tags": [_MARK, {"Key": "app", "Value": wishes.app}],
    }


def _key(wishes: Wishes, region: str) -> str:
    """A key's ARN names its region; an id or an alias is of any."""
    ours = [k for k in wishes.keys if not k.startswith("projects/")]
    fitting = [k for k in ours if not k.startswith("arn:") or k.split(":")[3] == region]
    return fitting[0] if fitting else ""


def lifecycle(wishes: Wishes) -> dict[str, Any]:
    """A policy that never touches what an environment holds.

    docs.aws.amazon.com/AmazonECR, "How lifecycle policies work": an image that matches the tags of
    a rule cannot be expired by a rule of lower priority, so the first two rules, whose counts are
    never reached, protect what has such a tag from every rule that comes after, also from those
    that a team adds. An image that a manifest list refers to is not expired before that list: the
    untagged children of an index that a retention tag holds stay.

    Untagged images go only where that is asked for. A signature or an SBOM that is attached as a
    referrer has no tag and is in no list: the rule would take it from an image that runs. And in an
    environment's registry what ran before the last release has no tag either.
    """
    kept = [
        _rule(1, "what environments hold", [f"{RETENTION_TAGS}*"]),
        _rule(2, "signatures, SBOMs and attestations by tag", [f"{REFERRER_TAGS}*"]),
    ]
    untagged = {
        "rulePriority": 3,
        "description": "untagged images",
        "selection": {
            "tagStatus": "untagged",
            "countType": "sinceImagePushed",
            "countUnit": "days",
            "countNumber": wishes.expire_untagged,
        },
        "action": {"type": "expire"},
    }
    return {"rules": [*kept, *([untagged] if wishes.expire_untagged else [])]}


def _rule(priority: int, description: str, patterns: list[str]) -> dict[str, Any]:
    return {
        "rulePriority": priority,
        "description": f"keeps {description}",
        "selection": {
            "tagStatus": "tagged",
            "tagPatternList": patterns,
            "countType": "imageCountMoreThan",
            "countNumber": _NEVER,
        },
        "action": {"type": "expire"},
    }


def _settings(wishes: Wishes, region: str) -> Iterator[str]:
    yield f"tags are written once, but for {' and '.join(_MOVABLE)}"
    yield "scanned at push"
    key = _key(wishes, region)
    yield f"encrypted with {key}" if key else "encrypted (AES256)"
    yield _lifecycle_in_words(wishes)


def _lifecycle_in_words(wishes: Wishes) -> str:
    if not wishes.expire_untagged:
        return "lifecycle: nothing expires, and what environments hold is protected"
    return (
        f"lifecycle: untagged images expire after {days(wishes.expire_untagged)}, "
        "what environments hold is protected"
    )


def _differences(found: dict[str, Any]) -> Iterator[str]:
    """Where it is not as shipit would have made it, and that matters."""
    mutability = found.get("imageTagMutability", "MUTABLE")
    filters = {f["filter"] for f in found.get("imageTagMutabilityExclusionFilters", [])}
    if mutability == "MUTABLE":
        yield "its tags can be moved"
    if mutability == "IMMUTABLE" or (
        mutability == "IMMUTABLE_WITH_EXCLUSION" and not filters.issuperset(_MOVABLE)
    ):
        yield f"{' and '.join(_MOVABLE)} cannot be moved there: environments cannot hold images"
    if not found.get("imageScanningConfiguration", {}).get("scanOnPush"):
        yield "it is not scanned at push"
