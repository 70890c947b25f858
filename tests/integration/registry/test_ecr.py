"""Amazon ECR as it behaves where emulators do not: tokens that end, tags that stay."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.model.image import Image
from shipit.registry.client import Client
from shipit.registry.ecr import ECR
from shipit.registry.embedded import EmbeddedRegistry
from shipit.registry.embedded.handler import Handler
from shipit.registry.keychain import Chain
from shipit.registry.repositories import kinds
from shipit.registry.repositories.ecr import Repositories
from shipit.registry.repositories.plan import Action, Wishes
from shipit.registry.repositories.presence import missing
from tests.fakes import registry_images as images
from tests.fakes.ecr import ACCOUNT, HOST, REGION, FakeEcr
from tests.fakes.registry import Fault, answer_error, times

WEB = f"{HOST}/shop/web"
API = f"{HOST}/shop/api"
WISHES = Wishes("shop")
Route = Callable[[str, str], None]


@pytest.fixture
def ecr(
    tmp_path: Path, amazon: Path, route: Route, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeEcr]:
    with FakeEcr(tmp_path / "ecr") as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL", fake.endpoint)
        route(HOST, fake.address)
        route("public.ecr.aws", fake.address)
        yield fake


@pytest.fixture
def registry(ecr: FakeEcr) -> Iterator[Client]:
    """A client whose one keychain is ECR's."""
    with Client(Chain([ECR()])) as opened:
        yield opened


@pytest.fixture
def built(tmp_path: Path) -> Iterator[str]:
    with EmbeddedRegistry(tmp_path / "built", port=0) as source:
        yield f"{source.address}/shop/web"


def make(*repositories: str, wishes: Wishes = WISHES) -> list[Action]:
    kind = Repositories()
    changes = [kind.plan(repository, wishes) for repository in repositories]
    for change in changes:
        if change.changes:
            kind.apply(change, wishes)
    return [change.action for change in changes]


# The keychain


def test_a_token_is_asked_for_once_in_the_registrys_own_account_and_region(
    ecr: FakeEcr, registry: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")  # the host's counts, not this
    make(WEB, API)
    ecr.signed_for.clear()

    for repository in (WEB, API, WEB):
        assert registry.head_manifest(repository, "v1") is None

    assert ecr.called("GetAuthorizationToken") == [{"registryIds": [ACCOUNT]}]
    assert ecr.signed_for == [REGION]
    assert [a.reason for a in registry.keychain.answers(HOST)] == [""]


def test_a_token_that_ends_before_its_time_is_replaced(ecr: FakeEcr, registry: Client) -> None:
    make(WEB)
    assert registry.head_manifest(WEB, "v1") is None
    ecr.expire()

    assert registry.head_manifest(WEB, "v1") is None
    assert len(ecr.given) == 2


def test_a_token_that_is_about_to_end_is_replaced_before_it_is_sent(
    ecr: FakeEcr, registry: Client
) -> None:
    ecr.lifetime = 10
    make(WEB)
    registry.head_manifest(WEB, "v1")
    before = len(ecr.requests)

    registry.head_manifest(WEB, "v1")

    assert len(ecr.requests) == before + 1, "no request was spent on a 401"
    assert len(ecr.given) == 2


def test_tokens_that_end_in_mid_copy_do_not_end_the_copy(
    ecr: FakeEcr, registry: Client, built: str
) -> None:
    """FIELD.md, 24: once among the blobs, and once among the manifests."""
    image = images.push_two_platforms(registry, built, "web")
    make(WEB)
    for part in ("/blobs/uploads/", "/manifests/"):
        ecr.faults.append(_ending_tokens(ecr, part))

    registry.copy(image, WEB)

    assert registry.verify(image.at(WEB)) == []
    assert len(ecr.given) == 3


def _ending_tokens(ecr: FakeEcr, part: str) -> Fault:
    """At the first PUT of this kind; that request is refused as every later one would be."""

    def end(request: Handler) -> None:
        ecr.expire()
        answer_error(request, 401, "UNAUTHORIZED", {"WWW-Authenticate": 'Basic realm="ecr"'})

    return times(1, lambda r: r.command == "PUT" and part in r.path, end)


def test_the_public_registry_has_a_service_of_its_own(ecr: FakeEcr, registry: Client) -> None:
    found = registry.keychain.resolve("public.ecr.aws")

    assert found is not None
    assert found.password.reveal() == ecr.given[-1]
    assert ecr.called("GetAuthorizationToken") == [{}]
    assert ecr.signed_for == ["us-east-1"]


def test_a_refusal_of_amazons_is_a_reason(ecr: FakeEcr, registry: Client) -> None:
    ecr.denied.add("GetAuthorizationToken")

    with pytest.raises(PreconditionError, match="refuses the credentials") as caught:
        registry.head_manifest(WEB, "v1")
    assert "ECR: GetAuthorizationToken: AccessDeniedException: not authorized" in str(caught.value)


# Repositories


def test_what_is_made(ecr: FakeEcr) -> None:
    assert make(WEB) == [Action.CREATE]

    assert ecr.called("CreateRepository") == [
        {
            "registryId": ACCOUNT,
            "repositoryName": "shop/web",
            "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": [
                {"filterType": "WILDCARD", "filter": "shipit-*"},
                {"filterType": "WILDCARD", "filter": "sha256-*"},
            ],
            "imageScanningConfiguration": {"scanOnPush": True},
            "encryptionConfiguration": {"encryptionType": "AES256"},
            "tags": [
                {"Key": "created-by", "Value": "shipit"},
                {"Key": "app", "Value": "shop"},
            ],
        }
    ]
    rules = json.loads(ecr.policies["shop/web"])["rules"]
    assert [r["selection"].get("tagPatternList") for r in rules] == [["shipit-*"], ["sha256-*"]]
    assert "untagged" not in ecr.policies["shop/web"]


def test_untagged_images_expire_only_where_that_is_wished(ecr: FakeEcr) -> None:
    make(WEB, wishes=Wishes("shop", expire_untagged=30))

    rules = json.loads(ecr.policies["shop/web"])["rules"]
    selection = rules[-1]["selection"]
    assert [r["rulePriority"] for r in rules] == [1, 2, 3]
    assert selection["tagStatus"] == "untagged"
    assert (selection["countType"], selection["countNumber"]) == ("sinceImagePushed", 30)


def test_a_key_is_used_in_its_own_region(ecr: FakeEcr) -> None:
    keys = ("arn:aws:kms:us-east-1:1:key/us", f"arn:aws:kms:{REGION}:1:key/eu", "projects/p/k")

    make(WEB, wishes=Wishes("shop", keys))

    asked = ecr.called("CreateRepository")[0]["encryptionConfiguration"]
    assert asked == {"encryptionType": "KMS", "kmsKey": keys[1]}


def test_made_again_nothing_changes(ecr: FakeEcr) -> None:
    make(WEB)
    ecr.calls.clear()

    assert make(WEB) == [Action.KEEP]
    assert {name for name, _ in ecr.calls} == {
        "DescribeRepositories",
        "ListTagsForResource",
        "GetLifecyclePolicy",
    }


def test_one_that_was_left_half_made_is_completed(ecr: FakeEcr) -> None:
    ecr.denied.add("PutLifecyclePolicy")
    with pytest.raises(PreconditionError, match="AWS refuses ecr:PutLifecyclePolicy for") as caught:
        make(WEB)
    assert "not authorized to do PutLifecyclePolicy" in caught.value.why
    ecr.denied.clear()

    assert make(WEB) == [Action.COMPLETE]
    assert "shop/web" in ecr.policies
    assert make(WEB) == [Action.KEEP]


def test_one_that_others_made_is_left_alone_and_told_of(ecr: FakeEcr) -> None:
    ecr.repositories["shop/web"] = {
        "repositoryName": "shop/web",
        "repositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/shop/web",
        "imageTagMutability": "IMMUTABLE",
        "imageTagMutabilityExclusionFilters": [],
    }

    change = Repositories().plan(WEB, WISHES)

    assert change.action is Action.KEEP
    assert "environments cannot hold images" in change.note
    assert "it is not scanned at push" in change.note
    assert "shop/web" not in ecr.policies


def test_who_was_faster_made_it(ecr: FakeEcr) -> None:
    kind = Repositories()
    ours = kind.plan(WEB, WISHES)
    make(WEB)
    ecr.calls.clear()

    kind.apply(ours, WISHES)

    assert [name for name, _ in ecr.calls] == ["CreateRepository"]


def test_what_amazon_cannot_do_is_told_with_its_own_words(
    ecr: FakeEcr, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RemoteError, match="AWS could not do ecr:DescribeRepositories") as caught:
        Repositories().plan(f"{HOST}/Shop/Web", WISHES)
    assert "does not match" in caught.value.why


def test_amazon_that_does_not_answer_is_told(ecr: FakeEcr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    with pytest.raises(PreconditionError, match="AWS was not asked for") as caught:
        Repositories().plan(WEB, WISHES)
    assert "http://127.0.0.1:9" in caught.value.why


# The registry


def test_a_repository_that_is_missing_is_told_from_one_without_the_tag(
    ecr: FakeEcr, registry: Client
) -> None:
    make(WEB)

    assert missing(registry, [WEB, API]) == [API]
    assert missing(registry, ["ghcr.io/acme/web", "127.0.0.1:9/web"]) == []
    assert kinds.find(WEB) is not None


def test_tags_are_written_once_but_for_what_environments_hold(
    ecr: FakeEcr, registry: Client
) -> None:
    """FIELD.md, 19 and 23."""
    make(WEB)
    image, other = (Image(WEB, images.push(registry, WEB, text).digest) for text in ("a", "b"))

    registry.tag(image, "v1")
    registry.tag(image, "v1")  # the same digest again is a success
    registry.tag(image, "shipit-qa")
    registry.tag(other, "shipit-qa", move=True)

    assert registry.tags(WEB) == ["shipit-qa", "v1"]
    with pytest.raises(RemoteError, match="TAG_INVALID"):
        registry.tag(other, "v1", move=True)


def test_a_mount_that_was_not_opted_in_to_is_an_upload(ecr: FakeEcr, registry: Client) -> None:
    make(WEB, API)
    image = Image(WEB, images.push(registry, WEB, "a").digest)

    registry.copy(image, API)

    assert registry.verify(image.at(API)) == []
    assert len(set(ecr.asked("POST", "shop/api/blobs/uploads/?mount="))) == 3
    assert len(ecr.asked("PUT", "shop/api/blobs/uploads")) == 3
    assert ecr.asked("PATCH") == []


def test_a_subject_header_is_no_referrers_api(ecr: FakeEcr, registry: Client) -> None:
    make(WEB)
    image = images.push(registry, WEB, "a")

    signature = images.push_referrer(registry, WEB, image, "application/vnd.example.signature")

    assert [r.digest for r in registry.referrers(WEB, image.digest)] == [signature.digest]
    assert registry.tags(WEB) == [f"sha256-{image.digest.hex}"]
