"""Small images made of bytes, pushed through the client: no engine, no network."""

import io
import tarfile
from collections.abc import Sequence

from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.image import Image, Platform, Reference
from shipit.registry import media
from shipit.registry.client import Client
from shipit.registry.manifests import Descriptor, Manifest

LAYER = "application/vnd.oci.image.layer.v1.tar"
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64", "v8")


def layer(text: str, size: int = 100) -> bytes:
    """A tar with one file; different texts give different layers."""
    content = (text.encode() * size)[:size]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("content")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def config(platform: Platform, layers: Sequence[bytes]) -> bytes:
    fields = {"os": platform.os, "architecture": platform.architecture, "config": {}}
    if platform.variant:
        fields["variant"] = platform.variant
    fields["rootfs"] = {"type": "layers", "diff_ids": [str(Digest.of(x)) for x in layers]}
    return codec.encode(fields)


def descriptor(content: bytes, media_type: str) -> Descriptor:
    return Descriptor(media_type, Digest.of(content), len(content))


def manifest(
    configuration: bytes,
    layers: Sequence[bytes],
    *,
    config_type: str = media.OCI_CONFIG,
    **fields: object,
) -> Manifest:
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor(configuration, config_type),
        "layers": [descriptor(x, LAYER) for x in layers],
        **fields,
    }
    return Manifest(media.OCI_MANIFEST, codec.encode(document))


def push_blob(client: Client, repository: str, content: bytes) -> Digest:
    digest = Digest.of(content)
    client.put_blob(repository, digest, len(content), lambda: [content])
    return digest


def push(
    client: Client,
    repository: str,
    text: str,
    *,
    tag: str = "",
    platform: Platform = AMD64,
    size: int = 100,
) -> Manifest:
    """A single-platform image of two layers."""
    layers = [layer(text, size), layer(f"{text} too", size)]
    configuration = config(platform, layers)
    for content in (*layers, configuration):
        push_blob(client, repository, content)
    pushed = manifest(configuration, layers)
    client.put_manifest(repository, pushed, tag)
    return pushed


def push_two_platforms(client: Client, repository: str, text: str, tag: str = "v1") -> Image:
    children = [
        (p, push(client, repository, f"{text} {p}", platform=p).digest) for p in (AMD64, ARM64)
    ]
    client.put_index(repository, tag, children)
    return client.resolve(Reference.parse(f"{repository}:{tag}"))


def push_referrer(client: Client, repository: str, subject: Manifest, kind: str) -> Manifest:
    """An artifact that refers to `subject`, as a signature or an SBOM does."""
    content = kind.encode()
    empty = b"{}"
    for blob in (content, empty):
        push_blob(client, repository, blob)
    made = manifest(
        empty,
        [content],
        config_type="application/vnd.oci.empty.v1+json",
        artifactType=kind,
        subject=Descriptor(subject.media_type, subject.digest, len(subject.content)),
        annotations={"made-by": "a test"},
    )
    client.put_manifest(repository, made)
    return made
