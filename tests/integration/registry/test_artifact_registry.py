"""Google Artifact Registry: every way to its credentials, and the repository that is made."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.model.image import Image
from shipit.registry.artifact_registry import ArtifactRegistry
from shipit.registry.client import Client
from shipit.registry.keychain import Chain
from shipit.registry.repositories.artifact_registry import Repositories
from shipit.registry.repositories.plan import Action, Wishes
from shipit.registry.repositories.presence import missing
from tests.fakes import registry_images as images
from tests.fakes.artifact_registry import ACCOUNT, HOST, FakeGoogle

HOME = f"{HOST}/acme/shop"
WEB = f"{HOME}/web"
NAME = "projects/acme/locations/europe/repositories/shop"
WISHES = Wishes("shop")
Route = Callable[[str, str], None]


@pytest.fixture
def google(tmp_path: Path, route: Route, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGoogle]:
    """Google as a machine sees it on which a service account's key is at hand."""
    with FakeGoogle(tmp_path / "google") as fake:
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY", fake.endpoint)
        key = tmp_path / "key.json"
        fake.service_account(key)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        route(HOST, fake.address)
        yield fake


@pytest.fixture
def registry(google: FakeGoogle) -> Iterator[Client]:
    with Client(Chain([ArtifactRegistry()])) as opened:
        yield opened


def make(wishes: Wishes = WISHES) -> Action:
    kind = Repositories()
    change = kind.plan(HOME, wishes)
    if change.changes:
        kind.apply(change, wishes)
    return change.action


# The keychain


def test_a_service_accounts_key(google: FakeGoogle, registry: Client) -> None:
    assert registry.head_manifest(WEB, "v1") is None
    assert registry.head_manifest(WEB, "v1") is None

    assert google.tokens_for == ["jwt-bearer"]
    found = registry.keychain.resolve(HOST)
    assert found is not None
    assert found.source == f"Artifact Registry ({ACCOUNT})"


def test_what_gcloud_left_for_a_person(
    google: FakeGoogle, registry: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setattr(
        "google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{google.endpoint}/oauth"
    )
    (tmp_path / "gcloud").mkdir()
    google.person(tmp_path / "gcloud" / "application_default_credentials.json", "1//refresh")

    assert registry.head_manifest(WEB, "v1") is None

    assert google.tokens_for == ["refresh_token"]


def test_workload_identity_federation(
    google: FakeGoogle, registry: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "oidc").write_text("a token of the CI's")
    google.federation(tmp_path / "federation.json", tmp_path / "oidc")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "federation.json"))

    assert registry.head_manifest(WEB, "v1") is None

    assert google.tokens_for == ["token-exchange"]
    found = registry.keychain.resolve(HOST)
    assert found is not None
    assert found.source == "Artifact Registry (workload identity federation)"


def test_the_metadata_server_where_it_is_named(
    google: FakeGoogle, registry: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("GCE_METADATA_HOST", google.address)
    # google-auth reads the variable when it is imported, which may be before this test.
    where = "google.auth.compute_engine._metadata._GCE_METADATA_HOST"
    monkeypatch.setattr(where, google.address)

    assert registry.head_manifest(WEB, "v1") is None

    assert google.tokens_for == ["metadata"]


def test_a_token_that_ends_is_replaced(google: FakeGoogle, registry: Client) -> None:
    registry.head_manifest(WEB, "v1")
    google.expire()

    assert registry.head_manifest(WEB, "v1") is None
    assert google.tokens_for == ["jwt-bearer", "jwt-bearer"]


def test_images_go_in_and_come_out(google: FakeGoogle, registry: Client) -> None:
    image = images.push_two_platforms(registry, WEB, "web")

    assert registry.verify(image) == []
    assert any("push" in scope for scope in google.scopes)
    assert google.tokens_for == ["jwt-bearer"]


def test_what_google_refuses_is_a_reason_without_the_answers_body(
    google: FakeGoogle, registry: Client
) -> None:
    google.refused = {"error": "invalid_grant", "error_description": "expired", "x": "hidden"}

    with pytest.raises(PreconditionError) as caught:
        registry.get_manifest(WEB, "v1")
    assert "Artifact Registry: invalid_grant: expired" in str(caught.value)
    assert "hidden" not in str(caught.value)


# Repositories


def test_what_is_made(google: FakeGoogle) -> None:
    assert make() is Action.CREATE

    made = google.repositories[NAME]
    assert made.format_.name == "DOCKER"
    assert dict(made.labels) == {"created-by": "shipit", "app": "shop"}
    assert not made.docker_config.immutable_tags
    assert made.vulnerability_scanning_config.enablement_config.name == "INHERITED"
    assert list(made.cleanup_policies) == ["keep-what-environments-hold"]
    kept = made.cleanup_policies["keep-what-environments-hold"]
    assert kept.action.name == "KEEP"
    assert list(kept.condition.tag_prefixes) == ["shipit-", "sha256-"]


def test_with_a_key_and_a_time_for_untagged_images(google: FakeGoogle) -> None:
    key = "projects/acme/locations/europe/keyRings/r/cryptoKeys/k"

    make(Wishes("shop", ("alias/aws", key), 30))

    made = google.repositories[NAME]
    assert made.kms_key_name == key
    gone = made.cleanup_policies["delete-untagged"]
    assert (gone.action.name, gone.condition.tag_state.name) == ("DELETE", "UNTAGGED")
    assert gone.condition.older_than.days == 30


def test_made_again_nothing_changes(google: FakeGoogle) -> None:
    make()
    google.calls.clear()

    assert make() is Action.KEEP
    assert google.calls == [("get", NAME)]


def test_who_was_faster_made_it(google: FakeGoogle) -> None:
    ours = Repositories().plan(HOME, WISHES)
    make()

    Repositories().apply(ours, WISHES)


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"docker_config": {"immutable_tags": True}}, "environments cannot hold images"),
        ({"mode": "REMOTE_REPOSITORY"}, "it cannot be pushed to"),
        ({"format_": "PYTHON"}, "it holds python packages"),
    ],
)
def test_one_that_others_made_is_told_of(
    google: FakeGoogle, fields: dict[str, Any], note: str
) -> None:
    from google.cloud.artifactregistry_v1 import Repository

    google.repositories[NAME] = Repository({"name": NAME, "format_": "DOCKER", **fields})

    change = Repositories().plan(HOME, WISHES)

    assert change.action is Action.KEEP
    assert note in change.note


def test_a_permission_that_is_lacking_is_named(google: FakeGoogle) -> None:
    google.denied.add("create")

    with pytest.raises(
        PreconditionError, match=r"Google refuses artifactregistry\.repositories\.create for"
    ) as caught:
        make()
    assert "create is denied" in caught.value.why


def test_google_that_does_not_answer_is_told(
    google: FakeGoogle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY", "http://127.0.0.1:9")

    with pytest.raises(RemoteError, match="Google did not answer for"):
        make()


def test_no_credentials_is_told(google: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")

    with pytest.raises(PreconditionError, match="there are no Google credentials for"):
        make()


def test_one_repository_is_missing_for_all_images(google: FakeGoogle, registry: Client) -> None:
    names = [WEB, f"{HOME}/api"]
    assert missing(registry, names) == [HOME]
    make()

    assert missing(registry, names) == []


def test_who_may_not_look_is_not_held_up(google: FakeGoogle, registry: Client) -> None:
    google.denied.add("get")

    assert missing(registry, [WEB]) == []
    pushed = images.push(registry, WEB, "web")
    assert registry.verify(Image(WEB, pushed.digest)) == []
