"""Bearer challenges against a registry that means them: scopes, ends, refresh tokens."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.model.image import Image
from shipit.registry.client import Client
from shipit.registry.docker_config import DockerConfig
from shipit.registry.embedded.handler import Handler
from shipit.registry.keychain import Chain
from tests.fakes import registry_images as images
from tests.fakes.registry import answer_error, times
from tests.fakes.scoped_registry import ScopedRegistry, encoded


@pytest.fixture
def scoped(tmp_path: Path) -> Iterator[ScopedRegistry]:
    folder = tmp_path / "scoped"
    with ScopedRegistry(folder, users={"ci": "pass"}, refresh_tokens={"refresh"}) as registry:
        yield registry


@pytest.fixture
def known(scoped: ScopedRegistry, tmp_path: Path) -> Iterator[Client]:
    """After `docker login`."""
    with logged_in(tmp_path / "docker", scoped.address, auth=encoded("ci", "pass")) as client:
        yield client


def logged_in(folder: Path, registry: str, **entry: str) -> Client:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {registry: entry}}))
    return Client(Chain([DockerConfig(folder)]))


def test_a_token_is_asked_for_with_the_scopes_of_the_work(
    scoped: ScopedRegistry, known: Client
) -> None:
    web, api = (f"{scoped.address}/shop/{name}" for name in ("web", "api"))
    image = Image(web, images.push(known, web, "a").digest)

    known.copy(image, api)

    assert known.verify(image.at(api)) == []
    asked = {scope for scopes in scoped.asked_for for scope in scopes}
    assert any(s.startswith("repository:shop/api:") and "push" in s for s in asked)
    assert any("repository:shop/web:pull" in s for s in asked), "a mount reads its source"
    assert len(scoped.asked_for) == len(set(scoped.asked_for)), "each set of scopes once"


def test_a_refresh_token_gives_tokens_too(scoped: ScopedRegistry, tmp_path: Path) -> None:
    entry = {
        "auth": encoded("00000000-0000-0000-0000-000000000000", ""),
        "identitytoken": "refresh",
    }
    with logged_in(tmp_path / "docker", scoped.address, **entry) as client:
        image = images.push(client, f"{scoped.address}/shop/web", "a")
        assert client.verify(Image(f"{scoped.address}/shop/web", image.digest)) == []
    assert scoped.asked_for


def test_a_refresh_token_that_has_ended_is_told(scoped: ScopedRegistry, tmp_path: Path) -> None:
    with (
        logged_in(tmp_path / "docker", scoped.address, identitytoken="old-refresh") as client,
        pytest.raises(PreconditionError, match="refuses the credentials") as caught,
    ):
        client.get_manifest(f"{scoped.address}/shop/web", "v1")
    assert "they are from docker config" in str(caught.value)
    assert "old-refresh" not in str(caught.value)


def test_tokens_that_end_between_requests_cost_one_more_request_each(
    scoped: ScopedRegistry, known: Client
) -> None:
    web = f"{scoped.address}/shop/web"
    known.head_manifest(web, "v1")
    for _ in range(3):
        scoped.expire()
        assert known.head_manifest(web, "v1") is None
    assert scoped.refused == 3
    assert len(scoped.asked_for) == 4


def test_a_token_that_is_about_to_end_is_not_sent(scoped: ScopedRegistry, known: Client) -> None:
    """What is known to end soon is replaced first: nothing is refused, no body is sent twice."""
    scoped.lifetime = 15.2  # seconds; less than 15 are left when it is needed again
    web = f"{scoped.address}/shop/web"

    for text in ("a", "b", "c"):
        pushed = images.push(known, web, text, size=1000)
    assert known.verify(Image(web, pushed.digest)) == []
    assert scoped.refused == 0


def test_a_token_that_ends_while_a_blob_is_sent_is_replaced(
    scoped: ScopedRegistry, known: Client
) -> None:
    """FIELD.md, 24."""
    web = f"{scoped.address}/shop/web"

    def end(request: Handler) -> None:
        scoped.expire()
        scoped._challenge(request)

    for part in ("/blobs/uploads/", "/manifests/"):
        scoped.faults.append(times(1, _puts(part), end))

    image = images.push(known, web, "a", size=100_000)

    assert known.verify(Image(web, image.digest)) == []


def _puts(part: str) -> Callable[[Handler], bool]:
    return lambda request: request.command == "PUT" and part in request.path


def test_a_service_that_gives_no_token_is_told(scoped: ScopedRegistry, known: Client) -> None:
    scoped.answers.append({"token": ""})

    with pytest.raises(RemoteError, match="gave no token"):
        known.get_manifest(f"{scoped.address}/shop/web", "v1")


def test_wrong_credentials_are_asked_for_once(scoped: ScopedRegistry, tmp_path: Path) -> None:
    with (
        logged_in(tmp_path / "docker", scoped.address, auth=encoded("ci", "wrong")) as client,
        pytest.raises(PreconditionError, match="refuses the credentials"),
    ):
        client.get_manifest(f"{scoped.address}/shop/web", "v1")
    assert len(scoped.asked("GET", "/token")) == 1


def test_a_registry_that_refuses_what_its_service_gave_is_told(
    scoped: ScopedRegistry, known: Client
) -> None:
    """And not asked for ever."""
    scoped.faults.append(times(9, lambda _: True, lambda r: answer_error(r, 403, "DENIED")))

    with pytest.raises(PreconditionError, match="DENIED"):
        known.get_manifest(f"{scoped.address}/shop/web", "v1")
    assert len(scoped.asked("GET", "/token")) == 1


@pytest.mark.parametrize(
    ("registry", "user", "key"),
    [("docker.io", "me", "https://index.docker.io/v1/"), ("ghcr.io", "octocat", "")],
)
def test_docker_hub_and_ghcr_by_their_token_flow(
    registry: str,
    user: str,
    key: str,
    tmp_path: Path,
    route: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Docker Hub by what `docker login` left under its old name, GHCR by the job's own token."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with ScopedRegistry(tmp_path / "hub", users={user: "secret"}) as hub:
        route(registry, hub.address)
        if key:
            logged_in(tmp_path / "docker", key, auth=encoded(user, "secret")).close()
        else:
            monkeypatch.setenv("GITHUB_ACTIONS", "true")
            monkeypatch.setenv("GITHUB_ACTOR", user)
            monkeypatch.setenv("GITHUB_TOKEN", "secret")
        with Client() as client:
            pushed = images.push(client, f"{registry}/acme/web", "web", tag="v1")
            found = client.get_manifest(f"{registry}/acme/web", "v1")

    assert found.digest == pushed.digest
    assert any(s.startswith("repository:acme/web:") for scopes in hub.asked_for for s in scopes)
