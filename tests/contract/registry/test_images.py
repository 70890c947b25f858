"""Resolve, copy, verify, tag: what shipit does with images, over every registry."""

import pytest

from shipit.errors import PreconditionError
from shipit.model.digest import Digest
from shipit.model.image import Reference
from shipit.registry import media
from shipit.registry.client import Client
from shipit.registry.manifests import Descriptor, Manifest, PlatformField, index_of
from shipit.registry.transfers import State, Transfer
from tests.fakes import registry_images as images
from tests.fakes.registry_images import AMD64, ARM64


def test_a_single_manifest_tells_its_platform_by_its_config(
    client: Client, repository: str
) -> None:
    pushed = images.push(client, repository, "web", tag="latest", platform=ARM64)

    image = client.resolve(Reference.parse(repository))

    assert image.repository == repository
    assert image.digest == pushed.digest
    assert pushed.config is not None
    assert [(p.platform, p.manifest, p.config) for p in image.platforms] == [
        (ARM64, pushed.digest, pushed.config.digest)
    ]


def test_an_index_has_a_manifest_and_a_config_for_every_platform(
    client: Client, repository: str
) -> None:
    image = images.push_two_platforms(client, repository, "web", tag="v1")

    assert client.get_manifest(repository, "v1").digest == image.digest
    assert [p.platform for p in image.platforms] == [AMD64, ARM64]
    for found in image.platforms:
        manifest = client.get_manifest(repository, found.manifest)
        assert manifest.config is not None
        assert manifest.config.digest == found.config


def test_a_digest_counts_more_than_the_tag_beside_it(client: Client, repository: str) -> None:
    old = images.push(client, repository, "old", tag="v1")
    images.push(client, repository, "new", tag="v1")

    image = client.resolve(Reference.parse(f"{repository}:v1@{old.digest}"))

    assert image.digest == old.digest


def test_attestations_are_no_platforms(client: Client, repository: str) -> None:
    web = images.push(client, repository, "web")
    attestation = images.push(client, repository, "attestation")
    index = Manifest(
        media.OCI_INDEX,
        index_of(
            (
                Descriptor(
                    web.media_type,
                    web.digest,
                    len(web.content),
                    platform=PlatformField("amd64", "linux"),
                ),
                Descriptor(
                    attestation.media_type,
                    attestation.digest,
                    len(attestation.content),
                    platform=PlatformField("unknown", "unknown"),
                    annotations={"vnd.docker.reference.type": "attestation-manifest"},
                ),
            )
        ),
    )
    client.put_manifest(repository, index, "v1")

    image = client.resolve(Reference.parse(f"{repository}:v1"))

    assert [p.platform for p in image.platforms] == [AMD64]


def test_what_cannot_be_resolved_is_named(client: Client, repository: str) -> None:
    digest = Digest.of(b"nothing")

    with pytest.raises(PreconditionError, match=f"{repository}@{digest} is not there"):
        client.resolve(Reference.parse(f"{repository}@{digest}"))


def test_a_copy_is_the_same_bytes(client: Client, repository: str, second_registry: str) -> None:
    image = images.push_two_platforms(client, repository, "web")

    copied = client.copy(image, f"{second_registry}/production/web").image

    assert copied == image.at(f"{second_registry}/production/web")
    assert client.verify(copied) == []
    for digest in (image.digest, *(p.manifest for p in image.platforms)):
        there = client.get_manifest(copied.repository, digest)
        assert there.content == client.get_manifest(repository, digest).content


def test_a_copy_within_a_registry_sends_no_blob(
    client: Client, repository: str, other_repository: str
) -> None:
    image = images.push_two_platforms(client, repository, "web")
    seen: list[Transfer] = []

    copied = client.copy(image, other_repository, on_progress=seen.append).image

    assert client.verify(copied) == []
    manifests = {image.digest, *(p.manifest for p in image.platforms)}
    states = {t.state for t in seen if t.digest not in manifests}
    assert states <= {State.WAITING, State.MOUNTED, State.PRESENT}


def test_a_copy_of_what_is_there_sends_nothing(
    client: Client, repository: str, other_repository: str
) -> None:
    image = images.push_two_platforms(client, repository, "web")
    client.copy(image, other_repository)
    seen: list[Transfer] = []

    client.copy(image, other_repository, on_progress=seen.append)

    assert {t.state for t in seen} == {State.PRESENT}
    assert len(seen) == 3  # the index and its two children: no blob was asked for


def test_a_layer_that_is_missing_is_named(client: Client, repository: str) -> None:
    image = images.push_two_platforms(client, repository, "layers of its own")
    manifest = client.get_manifest(repository, image.platforms[0].manifest)
    layer = (manifest.document.layers or ())[0]
    assert client.verify(image) == []

    client.delete_blob(repository, layer.digest)

    assert client.verify(image) == [f"{repository}: the blob {layer.digest} is missing"]


def test_a_child_that_is_missing_is_named_with_its_platform(
    client: Client, repository: str
) -> None:
    image = images.push_two_platforms(client, repository, "web")
    child = image.platforms[1].manifest

    client.delete_manifest(repository, child)

    assert client.verify(image) == [
        f"{repository}: the manifest {child} of linux/arm64/v8 is missing"
    ]


def test_a_half_copied_index_is_completed(
    client: Client, repository: str, other_repository: str
) -> None:
    image = images.push_two_platforms(client, repository, "web")
    copied = client.copy(image, other_repository).image
    client.delete_manifest(other_repository, image.platforms[1].manifest)

    client.copy(image, other_repository)

    assert client.verify(copied) == []


def test_a_tag_is_written_once(client: Client, repository: str) -> None:
    first = images.push(client, repository, "first")
    second = images.push(client, repository, "second")
    image = client.resolve(Reference.parse(f"{repository}@{first.digest}"))
    another = client.resolve(Reference.parse(f"{repository}@{second.digest}"))

    client.tag(image, "release")
    client.tag(image, "release")
    with pytest.raises(PreconditionError) as caught:
        client.tag(another, "release")

    assert f"{repository}:release is {first.digest}, not {second.digest}" in str(caught.value)
    assert client.get_manifest(repository, "release").digest == first.digest
    client.tag(another, "release", move=True)
    assert client.get_manifest(repository, "release").digest == second.digest
