"""Is an image whole? Every manifest read and hashed, every blob asked for."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from shipit.model.digest import Digest
from shipit.model.image import Image, Platform
from shipit.registry import tree
from shipit.registry.manifests import Descriptor, Manifest

if TYPE_CHECKING:
    from shipit.registry.client import Client

_AT_ONCE = 8


def verify(client: "Client", image: Image) -> list[str]:
    """See Client.verify."""
    lacking: list[Digest] = []

    def get(digest: Digest) -> Manifest | None:
        manifest = client.find_manifest(image.repository, digest)
        if manifest is None:
            lacking.append(digest)
        return manifest

    manifests = tree.children_first(get, image.digest)
    platforms = {c.digest: c.runs_on for m in manifests for c in m.children}
    blobs = {b.digest: b for m in manifests for b in m.blobs}
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        checked = list(threads.map(lambda b: _blob(client, image.repository, b), blobs.values()))
    return [
        *(_manifest(image.repository, d, platforms.get(d)) for d in sorted(lacking)),
        *(said for said in checked if said),
    ]


def _manifest(repository: str, digest: Digest, platform: Platform | None) -> str:
    of = f" of {platform}" if platform else ""
    return f"{repository}: the manifest {digest}{of} is missing"


def _blob(client: "Client", repository: str, blob: Descriptor) -> str:
    size = client.head_blob(repository, blob.digest)
    if size is None:
        return f"{repository}: the blob {blob.digest} is missing"
    if size != blob.size:
        return f"{repository}: the blob {blob.digest} has {size} bytes, not {blob.size}"
    return ""
