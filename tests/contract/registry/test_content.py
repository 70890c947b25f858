"""Push and pull, tags, referrers, deletion: what every registry and our client agree on."""

import http.client

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.model.digest import Digest
from shipit.registry import media
from shipit.registry.client import Client
from shipit.registry.manifests import Manifest
from tests.fakes import registry_images as images


def test_a_manifest_is_kept_byte_for_byte(client: Client, repository: str) -> None:
    pushed = images.push(client, repository, "web", tag="v1")
    spaced = Manifest(media.OCI_MANIFEST, pushed.content.replace(b",", b" ,\n "))

    client.put_manifest(repository, spaced, "spaced")

    found = client.get_manifest(repository, "spaced")
    assert found.content == spaced.content
    assert found.digest == Digest.of(spaced.content)
    assert found.media_type == media.OCI_MANIFEST
    assert client.get_manifest(repository, spaced.digest).content == spaced.content


def test_a_head_tells_type_digest_and_size(client: Client, repository: str) -> None:
    pushed = images.push(client, repository, "web", tag="v1")

    found = client.head_manifest(repository, "v1")

    assert found is not None
    assert (found.media_type, found.digest, found.size) == (
        media.OCI_MANIFEST,
        pushed.digest,
        len(pushed.content),
    )


def test_a_blob_comes_back_as_it_was_sent(client: Client, repository: str) -> None:
    content = bytes(range(256)) * 5000  # several pieces

    digest = images.push_blob(client, repository, content)

    assert client.head_blob(repository, digest) == len(content)
    assert b"".join(client.stream_blob(repository, digest)) == content


def test_an_empty_blob_is_a_blob(client: Client, repository: str) -> None:
    digest = images.push_blob(client, repository, b"")

    assert client.head_blob(repository, digest) == 0
    assert client.read_blob(repository, digest) == b""


def test_what_is_not_there_is_named(client: Client, repository: str) -> None:
    images.push(client, repository, "web")
    unknown = Digest.of(b"never pushed")

    assert client.head_manifest(repository, unknown) is None
    assert client.head_manifest(repository, "no-tag") is None
    assert client.head_blob(repository, unknown) is None
    with pytest.raises(PreconditionError, match=f"{repository}@{unknown} is not there"):
        client.get_manifest(repository, unknown)
    with pytest.raises(PreconditionError, match=f"{repository}:no-tag is not there"):
        client.get_manifest(repository, "no-tag")
    with pytest.raises(PreconditionError, match=f"{repository} has no blob {unknown}"):
        client.read_blob(repository, unknown)


def test_a_blob_with_another_digest_is_refused(client: Client, repository: str) -> None:
    wrong = Digest.of(b"another")

    with pytest.raises(RemoteError) as caught:
        client.put_blob(repository, wrong, 5, lambda: [b"bytes"])

    assert caught.value.status == 400
    assert any("DIGEST_INVALID" in r for r in caught.value.reasons)
    assert client.head_blob(repository, wrong) is None


def test_a_manifest_under_another_digest_is_refused(client: Client, repository: str) -> None:
    pushed = images.push(client, repository, "web")
    lying = Manifest(pushed.media_type, pushed.content + b"\n", Digest.of(b"another"))

    with pytest.raises(RemoteError) as caught:
        client.put_manifest(repository, lying)

    assert any("DIGEST_INVALID" in r for r in caught.value.reasons)


def test_a_manifest_needs_its_blobs(client: Client, repository: str) -> None:
    incomplete = images.manifest(b"{}", [b"never pushed"])
    images.push_blob(client, repository, b"{}")

    with pytest.raises(RemoteError) as caught:
        client.put_manifest(repository, incomplete)

    assert any("MANIFEST_BLOB_UNKNOWN" in r for r in caught.value.reasons)
    assert client.head_manifest(repository, incomplete.digest) is None


def test_a_tag_moves_and_the_old_manifest_stays(client: Client, repository: str) -> None:
    old = images.push(client, repository, "old", tag="latest")
    new = images.push(client, repository, "new", tag="latest")

    assert client.get_manifest(repository, "latest").digest == new.digest
    assert client.get_manifest(repository, old.digest).content == old.content


def test_tags_are_listed_page_by_page(client: Client, repository: str) -> None:
    pushed = images.push(client, repository, "web")
    names = ["1.0", "1.1", "b", "c", "latest"]
    for name in reversed(names):
        client.put_manifest(repository, pushed, name)

    # docker-registry 2.8 gives them in any order, and all at once
    assert sorted(client.tags(repository)) == names
    assert sorted(client.tags(repository, page=2)) == names


def test_an_unknown_repository_is_named(client: Client, repository: str) -> None:
    registry, _, path = repository.partition("/")

    with pytest.raises(PreconditionError, match=f"the registry {registry} has no repository"):
        client.tags(repository)
    assert client.head_manifest(repository, "latest") is None
    assert path


def test_a_blob_is_mounted_from_another_repository(
    client: Client, repository: str, other_repository: str
) -> None:
    digest = images.push_blob(client, repository, b"shared")

    assert client.mount_blob(other_repository, digest, repository.partition("/")[2])

    assert client.read_blob(other_repository, digest) == b"shared"


def test_a_mount_of_what_is_not_there_asks_for_an_upload(
    client: Client, repository: str, other_repository: str
) -> None:
    images.push_blob(client, repository, b"something")

    unknown = Digest.of(b"not pushed anywhere")

    assert not client.mount_blob(other_repository, unknown, repository.partition("/")[2])


def test_referrers_are_found_by_type(client: Client, repository: str) -> None:
    """By the API in ours, by the fallback tag in docker-registry, which has no API."""
    subject = images.push(client, repository, "web", tag="v1")
    signature = images.push_referrer(client, repository, subject, "application/test.signature")
    sbom = images.push_referrer(client, repository, subject, "application/test.sbom")

    found = client.referrers(repository, subject.digest)
    only = client.referrers(repository, subject.digest, "application/test.sbom")

    assert {d.digest for d in found} == {signature.digest, sbom.digest}
    assert [(d.digest, d.artifact_type) for d in only] == [(sbom.digest, "application/test.sbom")]
    assert only[0].annotations == {"made-by": "a test"}
    assert client.referrers(repository, sbom.digest) == ()


def test_a_referrer_pushed_twice_is_listed_once(client: Client, repository: str) -> None:
    subject = images.push(client, repository, "web")
    images.push_referrer(client, repository, subject, "application/test.sbom")
    images.push_referrer(client, repository, subject, "application/test.sbom")

    assert len(client.referrers(repository, subject.digest)) == 1


def test_a_referrer_may_come_before_its_subject(client: Client, repository: str) -> None:
    layers = [images.layer("later")]
    later = images.manifest(images.config(images.AMD64, layers), layers)

    referrer = images.push_referrer(client, repository, later, "application/test.sbom")

    found = client.referrers(repository, later.digest)
    assert [d.digest for d in found] == [referrer.digest]


def test_a_deleted_manifest_takes_its_tags_along(client: Client, repository: str) -> None:
    kept = images.push(client, repository, "kept", tag="kept")
    gone = images.push(client, repository, "gone", tag="gone")

    assert client.delete_manifest(repository, gone.digest)

    assert client.head_manifest(repository, gone.digest) is None
    assert client.head_manifest(repository, "gone") is None
    assert client.get_manifest(repository, "kept").digest == kept.digest
    assert not client.delete_manifest(repository, gone.digest)


def test_a_deleted_tag_leaves_the_manifest(client: Client, repository: str, kind: str) -> None:
    if kind != "embedded":
        pytest.skip("docker-registry 2.8 deletes no tags")
    pushed = images.push(client, repository, "web", tag="v1")
    client.put_manifest(repository, pushed, "v2")

    assert client.delete_manifest(repository, "v1")

    assert client.tags(repository) == ["v2"]
    assert client.get_manifest(repository, pushed.digest).content == pushed.content


def test_a_deleted_blob_is_gone(client: Client, repository: str) -> None:
    digest = images.push_blob(client, repository, b"for a while")

    assert client.delete_blob(repository, digest)

    assert client.head_blob(repository, digest) is None
    assert not client.delete_blob(repository, digest)


def test_chunks_are_taken_in_order_and_refused_otherwise(registry: str, kind: str) -> None:
    """What old clients and docker's engine do: PATCH, status, PUT."""
    connection = http.client.HTTPConnection(registry, timeout=10)

    def ask(method: str, path: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        response.read()
        return response

    started = ask("POST", "/v2/shop/chunks/blobs/uploads/", Content_Length="0")
    assert started.status == 202
    first = ask("PATCH", _path(started), b"first ", Content_Range="0-5")
    assert (first.status, first.headers["Range"]) == (202, "0-5")
    if kind == "embedded":  # docker-registry 2.8 takes a chunk that leaves a gap
        early = ask("PATCH", _path(first), b"third", Content_Range="13-17")
        assert early.status == 416
    status = ask("GET", _path(first))
    assert (status.status, status.headers["Range"]) == (204, "0-5")
    second = ask("PATCH", _path(status), b"second", Content_Range="6-11")
    assert (second.status, second.headers["Range"]) == (202, "0-11")
    digest = Digest.of(b"first second")
    separator = "&" if "?" in _path(second) else "?"
    done = ask("PUT", f"{_path(second)}{separator}digest={digest}", Content_Length="0")
    assert done.status == 201
    connection.request("GET", f"/v2/shop/chunks/blobs/{digest}", headers={"Range": "bytes=6-"})
    part = connection.getresponse()
    assert (part.status, part.read()) == (206, b"second")
    cancelled = ask("POST", "/v2/shop/chunks/blobs/uploads/", Content_Length="0")
    assert ask("DELETE", _path(cancelled)).status == 204
    assert ask("GET", _path(cancelled)).status == 404
    connection.close()


def _path(response: http.client.HTTPResponse) -> str:
    location = response.headers["Location"]
    return location if location.startswith("/") else "/" + location.split("/", 3)[3]
