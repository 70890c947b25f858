"""ECR as somebody else reads its documentation: the product's whole way through ministack."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.registry import aws
from shipit.registry.client import Client
from shipit.registry.ecr import ECR
from shipit.registry.keychain import Chain
from shipit.registry.repositories.ecr import Repositories
from shipit.registry.repositories.plan import Action, Wishes
from shipit.registry.repositories.presence import missing
from tests.fakes import registry_images as images
from tests.fakes.ministack import ACCOUNT, is_installed, ministack

pytestmark = pytest.mark.aws

HOST = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
WISHES = Wishes("shop")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not is_installed():
        pytest.skip("no ministack: `scripts/ministack` installs it")
    with ministack(tmp_path_factory.mktemp("ministack")) as running:
        yield running


@pytest.fixture
def registry(
    endpoint: str,
    amazon: Path,
    route: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Client]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    route(HOST, endpoint.removeprefix("http://"))
    with Client(Chain([ECR()])) as client:
        yield client


def make(repository: str) -> Action:
    change = Repositories().plan(repository, WISHES)
    if change.changes:
        Repositories().apply(change, WISHES)
    return change.action


def test_a_repository_is_made_once_with_its_policy(registry: Client) -> None:
    repository = f"{HOST}/made/web"
    assert missing(registry, [repository]) == [repository]

    assert make(repository) is Action.CREATE
    assert missing(registry, [repository]) == []
    assert make(repository) is Action.KEEP

    host = aws.parse(HOST)
    assert host is not None
    with aws.client(host) as ecr:
        policy = ecr.get_lifecycle_policy(repositoryName="made/web")["lifecyclePolicyText"]
        made = ecr.describe_repositories(repositoryNames=["made/web"])["repositories"][0]
    assert "shipit-*" in policy
    assert made["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}


def test_a_promotion_keeps_every_digest(registry: Client) -> None:
    """As ECR's own API reports them, and not as the registry does that was written to."""
    built, production = f"{HOST}/built/web", f"{HOST}/production/web"
    for repository in (built, production):
        make(repository)
    image = images.push_two_platforms(registry, built, "web")
    subject = registry.get_manifest(built, image.digest)
    signature = images.push_referrer(registry, built, subject, "application/vnd.example.sig")

    registry.copy(image, production)
    registry.tag(image.at(production), "shipit-production")

    assert registry.verify(image.at(production)) == []
    host = aws.parse(HOST)
    assert host is not None
    with aws.client(host) as ecr:
        details = ecr.describe_images(repositoryName="production/web")["imageDetails"]
    found = {d["imageDigest"]: d.get("imageTags", []) for d in details}
    assert found[str(image.digest)] == ["shipit-production"]
    assert {str(p.manifest) for p in image.platforms} < set(found)
    assert str(signature.digest) in found


def test_the_token_is_amazons(registry: Client) -> None:
    found = registry.keychain.resolve(HOST)

    assert found is not None
    assert (found.username, found.source) == ("AWS", "ECR (eu-west-1)")
