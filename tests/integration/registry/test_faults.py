"""The client against a registry that refuses, fails, lies or breaks off."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.model.digest import Digest
from shipit.model.image import Image, Reference
from shipit.registry import media, retry
from shipit.registry.client import Client
from shipit.registry.credentials import Credentials
from shipit.registry.embedded.handler import Handler, abort
from shipit.registry.keychain import Chain
from tests.fakes import registry_images as images
from tests.fakes import registry_vouchers as vouching
from tests.fakes.registry import FakeRegistry, answer_error, failing, times

SECRET = "hunter2-and-more"


class Known:
    """A keychain with the same credentials for every registry."""

    name = "known"

    def __init__(self, user: str, password: str) -> None:
        self.credentials = Credentials.basic(user, password, "the test")

    def resolve(self, registry: str) -> Credentials | None:
        return self.credentials

    def reason(self, registry: str) -> str:
        return ""


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_pause", lambda *_: 0.0)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[FakeRegistry]:
    with FakeRegistry(tmp_path / "registry") as opened:
        yield opened


@pytest.mark.parametrize("bearer", [False, True])
def test_credentials_are_used(tmp_path: Path, bearer: bool) -> None:
    users = {"ci": SECRET}
    with (
        FakeRegistry(tmp_path, users=users, bearer=bearer) as registry,
        Client(Chain([Known("ci", SECRET)])) as client,
    ):
        repository = f"{registry.address}/shop/web"
        pushed = images.push(client, repository, "web", tag="v1")

        assert client.get_manifest(repository, "v1").digest == pushed.digest
        if bearer:
            assert "repository:shop/web:pull,push" in registry.scopes
            assert len(registry.tokens) <= 2  # one to push and one to pull, not one a request


@pytest.mark.parametrize("bearer", [False, True])
def test_refused_credentials_are_one_clear_message(tmp_path: Path, bearer: bool) -> None:
    users = {"ci": "right"}
    with (
        FakeRegistry(tmp_path, users=users, bearer=bearer) as registry,
        Client(Chain([Known("ci", SECRET)])) as client,
        pytest.raises(PreconditionError) as caught,
    ):
        client.resolve(Reference.parse(f"{registry.address}/shop/web:v1"))

    error = caught.value
    assert error.what == f"the registry {registry.address} refuses the credentials"
    assert "401" in error.why
    assert "they are from the test" in error.why
    assert error.next_step == f"docker login {registry.address}"
    assert SECRET not in f"{error} {error!r} {error.__cause__!r}"


def test_no_credentials_say_where_was_looked(tmp_path: Path) -> None:
    with (
        FakeRegistry(tmp_path, users={"ci": "x"}) as registry,
        Client(Chain([])) as client,
        pytest.raises(PreconditionError) as caught,
    ):
        client.resolve(Reference.parse(f"{registry.address}/shop/web:v1"))

    assert f"no keychain has credentials for {registry.address}" in caught.value.why


def test_a_token_that_expires_in_the_middle_is_renewed(tmp_path: Path) -> None:
    with (
        FakeRegistry(tmp_path, users={"ci": SECRET}, bearer=True) as registry,
        Client(Chain([Known("ci", SECRET)])) as client,
    ):
        repository = f"{registry.address}/shop/web"
        images.push(client, repository, "first", tag="v1")
        registry.tokens.clear()

        pushed = images.push(client, repository, "second", tag="v2", size=2_000_000)

        image = client.resolve(Reference.parse(f"{repository}:v2"))
        assert image.digest == pushed.digest
        assert client.verify(image) == []


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_temporary_error_is_outlived(registry: FakeRegistry, client: Client, status: int) -> None:
    repository = f"{registry.address}/shop/web"
    registry.faults = [
        failing(status, "POST", "/blobs/uploads/", count=2),
        failing(status, "PUT", "/blobs/uploads/", count=1),
        failing(status, "PUT", "/manifests/", count=1),
        failing(status, "GET", "/manifests/", count=1),
    ]

    pushed = images.push(client, repository, "web", tag="v1", size=1_000_000)

    image = client.resolve(Reference.parse(f"{repository}:v1"))
    assert image.digest == pushed.digest
    assert client.verify(image) == []


def test_an_error_that_stays_is_told_with_its_reasons(
    registry: FakeRegistry, client: Client
) -> None:
    registry.faults = [failing(503, "GET", "/manifests/", count=99)]

    with pytest.raises(RemoteError) as caught:
        client.resolve(Reference.parse(f"{registry.address}/shop/web:v1"))

    error = caught.value
    assert error.status == 503
    assert error.request == f"GET http://{registry.address}/v2/shop/web/manifests/v1"
    assert error.reasons == ("UNKNOWN: UNKNOWN by the test",)
    assert json.loads(error.body)
    assert len(registry.asked("GET", "/manifests/")) == retry.TRIES


def test_an_upload_session_that_disappears_is_started_again(
    registry: FakeRegistry, client: Client
) -> None:
    registry.faults = [
        times(
            1,
            lambda r: r.command == "PUT" and "/blobs/uploads/" in r.path,
            lambda r: answer_error(r, 404, "BLOB_UPLOAD_UNKNOWN"),
        )
    ]

    digest = images.push_blob(client, f"{registry.address}/shop/web", b"content")

    assert client.head_blob(f"{registry.address}/shop/web", digest) == 7
    assert len(registry.asked("POST", "/blobs/uploads/")) == 2


def _serve_half(request: Handler) -> None:
    """The head of the whole, half of it, and the end of the connection."""
    content = request.server.layout.blob(Digest(request.path.rpartition("/")[2])).read_bytes()
    request.answer(200, length=len(content))
    request.wfile.write(content[: len(content) // 2])
    request.close_connection = True
    abort(request.connection)


def _serve_flipped(request: Handler) -> None:
    content = request.server.layout.blob(Digest(request.path.rpartition("/")[2])).read_bytes()
    request.answer(200, bytes([content[0] ^ 1]) + content[1:])


def _is_blob(request: Handler) -> bool:
    return request.command == "GET" and "/blobs/sha256" in request.path


@pytest.mark.parametrize("act", [_serve_half, _serve_flipped])
def test_a_copy_survives_a_damaged_transfer(
    registry: FakeRegistry, client: Client, second: FakeRegistry, act: Callable[[Handler], None]
) -> None:
    repository = f"{registry.address}/shop/web"
    pushed = images.push(client, repository, "web", tag="v1", size=3_000_000)
    image = client.resolve(Reference.parse(f"{repository}:v1"))
    registry.faults = [times(1, _is_blob, act)]

    copied = client.copy(image, f"{second.address}/production/web").image

    assert client.verify(copied) == []
    assert copied.digest == pushed.digest


@pytest.mark.parametrize("act", [_serve_half, _serve_flipped])
def test_damage_that_stays_leaves_no_manifest(
    registry: FakeRegistry, client: Client, second: FakeRegistry, act: Callable[[Handler], None]
) -> None:
    repository = f"{registry.address}/shop/web"
    images.push(client, repository, "web", tag="v1", size=1_000_000)
    image = client.resolve(Reference.parse(f"{repository}:v1"))
    registry.faults = [times(999, _is_blob, act)]
    destination = f"{second.address}/production/web"

    with pytest.raises(RemoteError):
        client.copy(image, destination)

    assert client.head_manifest(destination, image.digest) is None
    assert all(client.head_blob(destination, p.config) is None for p in image.platforms)


@pytest.fixture
def second(tmp_path: Path) -> Iterator[FakeRegistry]:
    with FakeRegistry(tmp_path / "second") as opened:
        yield opened


def test_a_manifest_that_is_not_what_was_asked_for(registry: FakeRegistry, client: Client) -> None:
    repository = f"{registry.address}/shop/web"
    pushed = images.push(client, repository, "web", tag="v1")
    blob = registry.layout.blob(pushed.digest)
    blob.write_bytes(pushed.content.replace(b"2", b"3", 1))

    with pytest.raises(RemoteError, match=f"does not have the digest {pushed.digest}"):
        client.get_manifest(repository, pushed.digest)


@pytest.mark.parametrize(
    ("media_type", "document", "name"),
    [
        (
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            {"schemaVersion": 1, "fsLayers": [], "signatures": []},
            "a Docker schema 1 manifest",
        ),
        (
            "application/json",  # as registries call it whose type was lost
            {"schemaVersion": 1, "fsLayers": []},
            "a Docker schema 1 manifest",
        ),
        (
            "application/vnd.oci.artifact.manifest.v1+json",
            {"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": []},
            "an OCI artifact manifest of a draft",
        ),
    ],
)
def test_formats_of_the_past_are_refused_by_name(
    registry: FakeRegistry,
    client: Client,
    second: FakeRegistry,
    media_type: str,
    document: dict[str, object],
    name: str,
) -> None:
    content = json.dumps(document).encode()
    registry.faults = [
        times(
            9,
            lambda r: r.command == "GET" and "/manifests/" in r.path,
            lambda r: r.answer(200, content, media_type=media_type),
        )
    ]
    repository = f"{registry.address}/shop/web"

    with pytest.raises(PreconditionError) as caught:
        client.copy(Image(repository, Digest.of(content)), f"{second.address}/production/web")

    assert caught.value.what.endswith(f"is {name}")
    assert second.asked("PUT") == second.asked("POST") == []


def test_a_document_without_config_and_manifests_is_none(
    registry: FakeRegistry, client: Client, second: FakeRegistry
) -> None:
    content = b'{"schemaVersion": 2, "layers": []}'
    registry.faults = [
        times(
            9,
            lambda r: r.command == "GET" and "/manifests/" in r.path,
            lambda r: r.answer(200, content, media_type=media.OCI_MANIFEST),
        )
    ]

    with pytest.raises(RemoteError, match="what came is not a manifest"):
        client.copy(
            Image(f"{registry.address}/shop/web", Digest.of(content)),
            f"{second.address}/production/web",
        )


def test_blobs_may_be_somewhere_else(
    registry: FakeRegistry, client: Client, second: FakeRegistry
) -> None:
    """As cloud registries do it: the bytes are in object storage, behind a redirect."""
    digest = images.push_blob(client, f"{second.address}/storage/x", b"far away")
    headers: list[str | None] = []

    def note(request: Handler) -> bool:
        headers.append(request.headers.get("Authorization"))
        return False

    second.faults = [note]
    registry.users = {"ci": SECRET}
    registry.faults = [
        times(
            99,
            _is_blob,
            lambda r: r.answer(
                307, headers={"Location": f"http://{second.address}/v2/storage/x/blobs/{digest}"}
            ),
        )
    ]

    with Client(Chain([Known("ci", SECRET)])) as authorized:
        assert authorized.read_blob(f"{registry.address}/shop/web", digest) == b"far away"
    assert headers == [None]


def test_a_registry_that_is_not_there(client: Client) -> None:
    with socket.socket() as bound:  # bound and not listening: connections are refused
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"

        with pytest.raises(RemoteError) as caught:
            client.resolve(Reference.parse(f"{address}/shop/web:v1"))

    assert caught.value.what == f"the registry {address} cannot be reached"
    assert "Connection refused" in caught.value.why
    assert caught.value.temporary


def test_tags_come_by_pages_in_order(registry: FakeRegistry, client: Client) -> None:
    repository = f"{registry.address}/shop/web"
    pushed = images.push(client, repository, "web")
    for tag in ("c", "B", "a", "1"):
        client.put_manifest(repository, pushed, tag)

    assert client.tags(repository, page=3) == ["1", "B", "a", "c"]
    pages = registry.asked("GET", "/tags/list")
    assert [re.sub(r".*\?", "", p) for p in pages] == ["n=3", "n=3&last=a"]


def test_an_unchanged_copy_asks_once_per_manifest_and_twice_more(
    registry: FakeRegistry, client: Client, second: FakeRegistry
) -> None:
    image = images.push_two_platforms(client, f"{registry.address}/shop/web", "web")
    client.copy(image, f"{second.address}/production/web")
    registry.requests.clear()
    second.requests.clear()

    client.copy(image, f"{second.address}/production/web")

    assert [r.partition("?")[0] for r in registry.requests] == [
        f"GET /v2/shop/web/referrers/{image.digest}",
        "GET /v2/shop/web/tags/list",
    ]
    assert len(second.requests) == 3


def _again(
    registry: FakeRegistry, client: Client, second: FakeRegistry, image: Image
) -> tuple[list[str], list[str]]:
    """What is asked of the source and of the destination for a copy that is there."""
    client.copy(image, f"{second.address}/production/web")
    registry.requests.clear()
    second.requests.clear()
    assert not client.copy(image, f"{second.address}/production/web").changed
    return registry.requests, second.requests


def test_an_unchanged_copy_of_a_signed_index_of_four_platforms(
    registry: FakeRegistry, client: Client, second: FakeRegistry
) -> None:
    """Signed by referrers and by cosign's tags, the platforms too: no more than a request for each
    manifest of the tree, and two."""
    repository = f"{registry.address}/shop/web"
    image = vouching.push_signed(client, repository, "web", platforms=4)
    vouchers = {d for found in vouching.vouchers(client, repository, image).values() for d in found}
    tree = 1 + 4 + len(vouchers)

    asked, there = _again(registry, client, second, image)

    assert len(vouchers) == 10
    assert len(asked) + len(there) <= tree + 2
    assert {r.split()[0] for r in asked + there} == {"GET"}


def test_a_digest_tag_of_the_image_costs_one_request_more(
    registry: FakeRegistry, client: Client, second: FakeRegistry
) -> None:
    """Which signatures it holds now is only known from what it names at the source, and whether
    they are there only from what it names there."""
    repository = f"{registry.address}/shop/web"
    image = images.push_two_platforms(client, repository, "web")
    suffixes = ("sig", "att", "sbom")
    for suffix in suffixes:
        vouching.push_signature_tag(client, repository, image.digest, suffix, suffix=suffix)
    tree = 1 + 2 + len(suffixes)

    asked, there = _again(registry, client, second, image)

    assert len(asked) == 2 + len(suffixes)
    assert len(there) == tree


def test_a_blob_is_one_put_and_never_patched(
    registry: FakeRegistry, client: Client, second: FakeRegistry
) -> None:
    repository = f"{registry.address}/shop/web"
    images.push(client, repository, "web", tag="v1", size=3_000_000)
    client.copy(client.resolve(Reference.parse(f"{repository}:v1")), f"{second.address}/p/web")

    for asked in (registry, second):
        assert asked.asked("PATCH") == []
        assert len(asked.asked("PUT", "/blobs/uploads/")) == 3


def test_a_read_only_registry_takes_nothing(tmp_path: Path, client: Client) -> None:
    with FakeRegistry(tmp_path, read_only=True) as registry, pytest.raises(RemoteError) as caught:
        images.push_blob(client, f"{registry.address}/shop/web", b"x")

    assert caught.value.status == 405


def test_a_blob_that_another_repository_uses_is_not_deleted(
    registry: FakeRegistry, client: Client
) -> None:
    pushed = images.push(client, f"{registry.address}/shop/web", "web")
    digest = pushed.blobs[0].digest

    with pytest.raises(RemoteError, match="is used by shop/web"):
        client.delete_blob(f"{registry.address}/shop/other", digest)

    assert client.head_blob(f"{registry.address}/shop/web", digest) is not None
