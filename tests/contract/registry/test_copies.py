"""Copies over every registry: the bytes and all that vouches for them, whatever form they have."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.image import Image, Reference
from shipit.registry import media
from shipit.registry.client import Client
from shipit.registry.manifests import Descriptor, Manifest
from shipit.registry.referrers import fallback_tag
from shipit.registry.transfers import State, Transfer
from tests.contract.registry.conftest import DEBIAN
from tests.fakes import registry_images as images
from tests.fakes import registry_vouchers as vouching


@pytest.fixture(params=["from it", "to it"])
def ways(request: pytest.FixtureRequest, repository: str, second_registry: str) -> tuple[str, str]:
    """A repository and another registry's: each kind of registry is both source and destination."""
    there = f"{second_registry}/production/web"
    return (repository, there) if request.param == "from it" else (there, repository)


def test_fm18_every_child_and_blob_is_there_before_the_tag(
    client: Client, ways: tuple[str, str]
) -> None:
    source, destination = ways
    image = images.push_two_platforms(client, source, f"web for {destination}")
    seen: list[Transfer] = []

    copied = client.copy(image, destination, tag="released", on_progress=seen.append)

    found = client.resolve(Reference.parse(f"{destination}:released"))
    assert found == image.at(destination) == copied.image
    assert client.verify(found) == []
    assert (copied.manifests, copied.blobs) == (3, 6)
    ended = [t.digest for t in seen if t.state is State.SENT]
    assert ended[-1] == image.digest
    assert set(ended[-3:-1]) == {p.manifest for p in image.platforms}


def test_fm20_what_vouches_travels_along(client: Client, ways: tuple[str, str]) -> None:
    """Of the index, of every child, and of what vouches; in fallback tags where there is no API."""
    source, destination = ways
    image = vouching.push_signed(client, source, "web")

    copied = client.copy(image, destination)

    expected = vouching.vouchers(client, source, image)
    assert sum(len(found) for found in expected.values()) == 8
    assert vouching.vouchers(client, destination, image) == expected
    assert client.verify(copied.image) == []
    assert copied.vouchers == 8


def test_a_signature_that_is_added_follows(client: Client, ways: tuple[str, str]) -> None:
    source, destination = ways
    image = vouching.push_signed(client, source, "web")
    client.copy(image, destination)
    index = client.get_manifest(source, image.digest)
    images.push_referrer(client, source, index, "application/late")
    vouching.push_signature_tag(client, source, image.digest, "one", "two")

    copied = client.copy(image, destination)

    assert copied.vouchers == copied.manifests == 2
    assert vouching.vouchers(client, destination, image) == vouching.vouchers(client, source, image)


def test_what_is_added_to_a_platform_follows_with_the_next_deployment(
    client: Client, ways: tuple[str, str]
) -> None:
    """Whose copy takes nothing at its word; one by hand asks about the image itself alone."""
    source, destination = ways
    image = vouching.push_signed(client, source, "web")
    client.copy(image, destination)
    child = client.get_manifest(source, image.platforms[1].manifest)
    images.push_referrer(client, source, child, "application/late")
    vouching.push_signature_tag(client, source, child.digest, "late")

    assert not client.copy(image, destination).changed
    assert client.copy(image, destination, whole=True).vouchers == 2

    assert vouching.vouchers(client, destination, image) == vouching.vouchers(client, source, image)


def test_a_signature_that_only_the_destination_has_is_kept(
    client: Client, ways: tuple[str, str]
) -> None:
    source, destination = ways
    image = vouching.push_signed(client, source, "web")
    client.copy(image, destination)
    added = vouching.push_signature_tag(client, destination, image.digest, "one", "theirs")

    assert client.copy(image, destination, whole=True).manifests == 0

    tag = f"{fallback_tag(image.digest)}.sig"
    assert client.get_manifest(destination, tag).digest == added.digest
    vouching.push_signature_tag(client, source, image.digest, "one", "ours")
    with pytest.raises(PreconditionError, match="some of what vouches"):
        client.copy(image, destination)
    client.copy(image, destination, move=True)
    assert client.get_manifest(destination, tag).digest != added.digest


def test_a_referrer_is_listed_once(client: Client, ways: tuple[str, str]) -> None:
    source, destination = ways
    image = vouching.push_signed(client, source, "web")
    for _ in range(2):
        client.copy(image, destination, whole=True)

    listed = [d.digest for d in client.referrers(destination, image.digest)]
    assert len(listed) == len(set(listed)) == 3


def test_fm19_a_child_that_clean_up_deleted_is_told_and_mended(
    client: Client, ways: tuple[str, str]
) -> None:
    source, destination = ways
    image = vouching.push_signed(client, source, "web")
    copied = client.copy(image, destination).image
    child = image.platforms[0].manifest
    client.delete_manifest(destination, child)
    assert client.verify(copied) == [
        f"{destination}: the manifest {child} of linux/arch0 is missing"
    ]

    mended = client.copy(image, destination)

    assert client.verify(copied) == []
    assert (mended.manifests, mended.vouchers, mended.blobs) == (1, 0, 0)


def test_a_blob_that_is_gone_under_its_manifest_is_mended(
    client: Client, ways: tuple[str, str]
) -> None:
    source, destination = ways
    image = images.push_two_platforms(client, source, f"layers of {destination}")
    copied = client.copy(image, destination).image
    layer = (client.get_manifest(source, image.platforms[0].manifest).document.layers or ())[0]
    client.delete_blob(destination, layer.digest)

    quick = client.copy(image, destination)

    assert not quick.changed  # a manifest that is there stands for its blobs
    assert client.verify(copied) == [f"{destination}: the blob {layer.digest} is missing"]
    assert client.copy(image, destination, whole=True).blobs == 1
    assert client.verify(copied) == []


def test_a_referrer_that_is_gone_is_mended(client: Client, ways: tuple[str, str]) -> None:
    source, destination = ways
    image = vouching.push_signed(client, source, "web")
    copied = client.copy(image, destination).image
    child = image.platforms[1].manifest
    (sbom,) = client.referrers(source, child)
    client.delete_manifest(destination, sbom.digest)

    assert client.copy(image, destination, whole=True).vouchers == 1

    assert client.verify(copied) == []
    assert [d.digest for d in client.referrers(destination, child)] == [sbom.digest]


def test_fm22_a_tag_is_written_once_with_a_compare(client: Client, ways: tuple[str, str]) -> None:
    source, destination = ways
    one, two = (images.push(client, source, f"{text} {destination}") for text in ("one", "two"))
    first, second = Image(source, one.digest), Image(source, two.digest)
    client.copy(first, destination, tag="abc1234")
    client.copy(first, destination, tag="abc1234")

    with pytest.raises(PreconditionError) as caught:
        client.copy(second, destination, tag="abc1234")

    assert f"{destination}:abc1234 is {one.digest}, not {two.digest}" in str(caught.value)
    assert client.head_manifest(destination, two.digest) is None  # nothing was sent for it
    client.copy(second, destination, tag="abc1234", move=True)
    assert client.get_manifest(destination, "abc1234").digest == two.digest


def _docker(client: Client, repository: str) -> Manifest:
    layers = [images.layer("docker")]
    configuration = images.config(images.AMD64, layers)
    for content in (*layers, configuration):
        images.push_blob(client, repository, content)
    document = {
        "schemaVersion": 2,
        "mediaType": media.DOCKER_MANIFEST,
        "config": images.descriptor(configuration, media.DOCKER_CONFIG),
        "layers": [
            images.descriptor(x, "application/vnd.docker.image.rootfs.diff.tar.gzip")
            for x in layers
        ],
    }
    child = Manifest(media.DOCKER_MANIFEST, codec.encode(document))
    client.put_manifest(repository, child)
    entry = {
        "mediaType": child.media_type,
        "digest": child.digest,
        "size": len(child.content),
        "platform": {"architecture": "amd64", "os": "linux"},
    }
    listed = {"schemaVersion": 2, "mediaType": media.DOCKER_LIST, "manifests": [entry]}
    return Manifest(media.DOCKER_LIST, codec.encode(listed))


def _of_layers(
    client: Client, repository: str, contents: Sequence[bytes], media_type: str
) -> Manifest:
    configuration = images.config(images.AMD64, contents)
    for content in (*contents, configuration):
        images.push_blob(client, repository, content)
    made = images.manifest(configuration, [])
    document = codec.decode(made.content, dict[str, Any])
    document["layers"] = [images.descriptor(x, media_type) for x in contents]
    return Manifest(media.OCI_MANIFEST, codec.encode(document))


def _zstd(client: Client, repository: str) -> Manifest:
    frame = b"\x28\xb5\x2f\xfd not unpacked by a copy"
    return _of_layers(client, repository, [frame], f"{images.LAYER}+zstd")


def _empty(client: Client, repository: str) -> Manifest:
    return _of_layers(client, repository, [b"", b"\0" * 1024], images.LAYER)


def _artifact(client: Client, repository: str) -> Manifest:
    """Without layers of its own: image-spec's guidance is one empty descriptor."""
    images.push_blob(client, repository, b"{}")
    empty = "application/vnd.oci.empty.v1+json"
    made = images.manifest(b"{}", [], config_type=empty, artifactType="application/acme.note")
    document = codec.decode(made.content, dict[str, Any])
    document["layers"] = [images.descriptor(b"{}", empty)]
    return Manifest(media.OCI_MANIFEST, codec.encode(document))


def _nested(client: Client, repository: str) -> Manifest:
    inner = vouching.push_index(client, repository, images.push(client, repository, "deep"))
    middle = client.get_manifest(repository, inner.digest)
    outer = vouching.push_index(client, repository, middle, images.push(client, repository, "flat"))
    return client.get_manifest(repository, outer.digest)


@pytest.mark.parametrize("make", [_docker, _zstd, _empty, _artifact, _nested])
def test_forms_of_images(
    client: Client, ways: tuple[str, str], make: Callable[[Client, str], Manifest]
) -> None:
    source, destination = ways
    made = make(client, source)
    client.put_manifest(source, made)

    copied = client.copy(Image(source, made.digest), destination)

    assert client.verify(copied.image) == []
    assert client.get_manifest(destination, made.digest).content == made.content
    assert client.get_manifest(destination, made.digest).media_type == made.media_type


def test_foreign_layers_stay_where_their_urls_say(
    client: Client, repository: str, second_registry: str, kind: str
) -> None:
    """A registry that wants them all the same is told by its name: docker-registry does, unless its
    operator allows their hosts."""
    source, destination = f"{second_registry}/production/web", repository
    base = b"not ours to hand on"
    configuration = images.config(images.AMD64, [base])
    images.push_blob(client, source, configuration)
    document = codec.decode(images.manifest(configuration, []).content, dict[str, Any])
    document["layers"] = [
        Descriptor(
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
            Digest.of(base),
            len(base),
            urls=("https://example.invalid/base.tar",),
        )
    ]
    made = Manifest(media.OCI_MANIFEST, codec.encode(document))
    client.put_manifest(source, made)

    if kind == DEBIAN:
        with pytest.raises(RemoteError, match="layers that are not distributable") as caught:
            client.copy(Image(source, made.digest), destination)
        assert str(Digest.of(base)) in caught.value.why
        assert client.head_manifest(destination, made.digest) is None
    else:
        copied = client.copy(Image(source, made.digest), destination)
        assert client.verify(copied.image) == []
    assert client.head_blob(destination, Digest.of(base)) is None


def test_sha512(client: Client, ways: tuple[str, str]) -> None:
    source, destination = ways
    content = f"under another algorithm, to {destination}".encode()
    digest = Digest.of(content, "sha512")
    configuration = images.config(images.AMD64, [content])
    images.push_blob(client, source, configuration)
    document = codec.decode(images.manifest(configuration, []).content, dict[str, Any])
    document["layers"] = [Descriptor(images.LAYER, digest, len(content))]
    made = Manifest(media.OCI_MANIFEST, codec.encode(document))
    client.put_blob(source, digest, len(content), lambda: [content])
    client.put_manifest(source, made)

    copied = client.copy(Image(source, made.digest), destination)

    assert client.verify(copied.image) == []
    assert client.read_blob(destination, digest) == content


def test_fm21_nothing_in_a_manifest_is_written_anew(client: Client, ways: tuple[str, str]) -> None:
    """White space, unknown fields and their order are part of the digest."""
    source, destination = ways
    layers = [images.layer("odd")]
    configuration = images.config(images.AMD64, layers)
    for content in (*layers, configuration):
        images.push_blob(client, source, content)
    document = codec.decode(images.manifest(configuration, layers).content, dict[str, Any])
    odd = codec.pretty({"x-unknown": [1, {"a": None}], **document}) + b"\n \n"
    made = Manifest(media.OCI_MANIFEST, odd)
    client.put_manifest(source, made)

    client.copy(Image(source, made.digest), destination)

    assert client.get_manifest(destination, made.digest).content == odd
