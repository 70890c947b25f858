"""Which registries are Amazon's and Google's, and what their names say."""

import pytest

from shipit.errors import PreconditionError
from shipit.registry import aws, google
from shipit.registry.repositories import kinds
from shipit.registry.repositories.artifact_registry import Repositories

ACCOUNT = "111122223333"


@pytest.mark.parametrize(
    ("registry", "region", "fips", "dual_stack"),
    [
        (f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1", False, False),
        (f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", True, False),
        (f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", False, False),
        (f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws", "us-east-1", False, True),
        (f"{ACCOUNT}.dkr-ecr-fips.us-east-2.on.aws", "us-east-2", True, True),
        (
            f"{ACCOUNT}.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
            "cn-north-1",
            False,
            True,
        ),
    ],
)
def test_a_private_ecr_host_names_its_account_and_region(
    registry: str, region: str, fips: bool, dual_stack: bool
) -> None:
    host = aws.parse(registry)

    assert host == aws.Host(ACCOUNT, region, fips, dual_stack)
    assert host.service == "ecr"


@pytest.mark.parametrize("registry", ["public.ecr.aws", "ecr-public.aws.com"])
def test_the_public_registry_is_asked_for_in_one_region(registry: str) -> None:
    host = aws.parse(registry)

    assert host is not None
    assert (host.service, host.region) == ("ecr-public", "us-east-1")


@pytest.mark.parametrize(
    "registry",
    [
        "ghcr.io",
        "11112222333.dkr.ecr.eu-west-1.amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com.evil.com",
        f"{ACCOUNT}.dkr.ecr.eu-west-1.example.com",
        f"x{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com:443",
    ],
)
def test_other_hosts_are_not_amazons(registry: str) -> None:
    assert aws.parse(registry) is None


@pytest.mark.parametrize(
    ("registry", "location", "repository"),
    [
        ("europe-docker.pkg.dev", "europe", ""),
        ("us-central1-docker.pkg.dev", "us-central1", ""),
        ("gcr.io", "us", "gcr.io"),
        ("eu.gcr.io", "europe", "eu.gcr.io"),
    ],
)
def test_googles_hosts_name_a_location(registry: str, location: str, repository: str) -> None:
    assert google.parse(registry) == google.Host(location, repository)


@pytest.mark.parametrize(
    "registry", ["pkg.dev", "europe-python.pkg.dev", "docker.pkg.dev.evil.com", "x.gcr.io"]
)
def test_other_hosts_are_not_googles(registry: str) -> None:
    assert google.parse(registry) is None


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("europe-docker.pkg.dev/acme/shop/team/web", "europe-docker.pkg.dev/acme/shop"),
        (
            "europe-docker.pkg.dev/example.com/acme/shop/web",
            "europe-docker.pkg.dev/example.com/acme/shop",
        ),
        ("eu.gcr.io/acme/web", "eu.gcr.io/acme"),
    ],
)
def test_images_lie_in_a_repository_of_artifact_registry(name: str, home: str) -> None:
    assert Repositories().home(name) == home
    assert Repositories().home(home) == home


def test_a_name_without_a_repository_is_refused() -> None:
    with pytest.raises(PreconditionError, match="names no repository of Artifact Registry"):
        Repositories().home("europe-docker.pkg.dev/acme")


@pytest.mark.parametrize(
    ("repository", "action", "note"),
    [
        ("ghcr.io/acme/web", "at push", "GitHub makes repositories at the first push"),
        ("docker.io/acme/web", "at push", "Docker Hub makes repositories at the first push"),
        ("r.example.com/web", "at push", "r.example.com makes repositories at the first push"),
        ("public.ecr.aws/acme/web", "by hand", "aws ecr-public create-repository"),
    ],
)
def test_elsewhere_there_is_nothing_to_make(repository: str, action: str, note: str) -> None:
    assert kinds.find(repository) is None
    change = kinds.otherwise(repository)
    assert (change.action, change.changes) == (action, False)
    assert note in change.note
