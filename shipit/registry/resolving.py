"""A tag or digest to an image: what it points at, and what each platform runs."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from shipit.errors import RemoteError
from shipit.model import codec
from shipit.model.image import Image, Platform, PlatformImage, Reference
from shipit.registry import media
from shipit.registry.manifests import ConfigPlatform, Descriptor, Manifest

if TYPE_CHECKING:
    from shipit.registry.client import Client

_AT_ONCE = 8
_DEEPEST = 4  # indexes within indexes


def resolve(client: "Client", reference: Reference) -> Image:
    """See Client.resolve. A digest counts more than a tag beside it."""
    repository = reference.repository
    manifest = client.get_manifest(repository, reference.digest or reference.tag or "latest")
    platforms = _platforms(client, repository, manifest, _DEEPEST)
    return Image(repository, manifest.digest, tuple(platforms))


def _platforms(
    client: "Client", repository: str, manifest: Manifest, depth: int
) -> list[PlatformImage]:
    if not manifest.is_index:
        found = _single(client, repository, manifest, None)
        return [found] if found else []
    if not depth:
        raise RemoteError(f"{repository}@{manifest.digest}: indexes within indexes, too deep")
    children = [c for c in manifest.children if not c.is_attestation]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        lists = threads.map(lambda c: _child(client, repository, c, depth - 1), children)
        return [image for images in lists for image in images]


def _child(client: "Client", repository: str, child: Descriptor, depth: int) -> list[PlatformImage]:
    manifest = client.get_manifest(repository, child.digest)
    if manifest.is_index:
        return _platforms(client, repository, manifest, depth)
    found = _single(client, repository, manifest, child.runs_on)
    return [found] if found else []


def _single(
    client: "Client", repository: str, manifest: Manifest, declared: Platform | None
) -> PlatformImage | None:
    """None for an artifact, which runs nowhere."""
    config = manifest.config
    if config is None or config.media_type not in media.IMAGE_CONFIGS:
        return None
    platform = declared or _read_platform(client, repository, config)
    return PlatformImage(platform, manifest.digest, config.digest)


def _read_platform(client: "Client", repository: str, config: Descriptor) -> Platform:
    content = client.read_blob(repository, config.digest)
    try:
        found = codec.decode(content, ConfigPlatform)
    except ValueError as error:
        raise RemoteError(
            f"{repository}: the config {config.digest} is not an image's", str(error)
        ) from None
    return Platform(found.os, found.architecture, found.variant)
