"""Images for benchmarks: random bytes, which no transfer gets smaller."""

import os

from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.registry import media
from shipit.registry.client import Client
from shipit.registry.manifests import Descriptor, Manifest, PlatformField, index_of

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_EMPTY = "application/vnd.oci.empty.v1+json"
VOUCHERS = (
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/spdx+json",
    "application/vnd.in-toto+json",
)


def push_image(client: Client, repository: str, layers: int, size: int, name: str = "") -> Manifest:
    """One platform, `layers` layers of `size` bytes."""
    described = [_push(client, repository, os.urandom(size), _LAYER) for _ in range(layers)]
    config = codec.encode(
        {
            "os": "linux",
            "architecture": name or "amd64",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [str(d.digest) for d in described]},
        }
    )
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": _push(client, repository, config, media.OCI_CONFIG),
        "layers": described,
    }
    manifest = Manifest(media.OCI_MANIFEST, codec.encode(document))
    client.put_manifest(repository, manifest, "v1")
    return manifest


def push_signed_index(client: Client, repository: str, platforms: int, size: int) -> Image:
    """An index with three layers a platform, and a signature, an SBOM and an attestation."""
    names = [f"arch{n}" for n in range(platforms)]
    children = [(n, push_image(client, repository, 3, size, n)) for n in names]
    index = Manifest(
        media.OCI_INDEX,
        index_of(
            tuple(
                Descriptor(
                    m.media_type, m.digest, len(m.content), platform=PlatformField(n, "linux")
                )
                for n, m in children
            )
        ),
    )
    client.put_manifest(repository, index, "v1")
    for kind in VOUCHERS:
        _push_referrer(client, repository, index, kind)
    return Image(repository, index.digest)


def _push_referrer(client: Client, repository: str, subject: Manifest, kind: str) -> None:
    document = {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "artifactType": kind,
        "config": _push(client, repository, b"{}", _EMPTY),
        "layers": [_push(client, repository, os.urandom(20_000), kind)],
        "subject": Descriptor(subject.media_type, subject.digest, len(subject.content)),
    }
    client.put_manifest(repository, Manifest(media.OCI_MANIFEST, codec.encode(document)))


def _push(client: Client, repository: str, content: bytes, media_type: str) -> Descriptor:
    digest = Digest.of(content)
    client.put_blob(repository, digest, len(content), lambda: [content])
    return Descriptor(media_type, digest, len(content))
