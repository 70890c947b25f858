"""Is an image whole? Every manifest read and hashed, every blob asked for, and the same for all
that vouches for it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

from shipit.model.digest import Digest
from shipit.model.image import Image, Platform
from shipit.registry import tree
from shipit.registry.manifests import Descriptor
from shipit.registry.vouchers import Archive

if TYPE_CHECKING:
    from shipit.registry.client import Client

_AT_ONCE = 8


def verify(client: "Client", image: Image) -> list[str]:
    """See Client.verify."""
    walk = _Walk(client, image.repository)
    nodes = tree.grow(walk.look, image.digest)
    manifests = [n.manifest for n in nodes.values()]
    platforms = {c.digest: c.runs_on for m in manifests for c in m.children}
    blobs = {b.digest: b for m in manifests for b in m.blobs}
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        checked = list(threads.map(lambda b: _blob(client, image.repository, b), blobs.values()))
    return [
        *(walk.sentence(d, platforms.get(d)) for d in sorted(walk.lacking)),
        *(said for said in checked if said),
    ]


class _Walk:
    """What is looked at, and what was not there."""

    def __init__(self, client: "Client", repository: str) -> None:
        self._client, self._repository = client, repository
        self._archive = Archive(client.transport, client.referring, repository)
        self._vouched: dict[Digest, Digest] = {}  # what vouches -> for what
        self._lock = Lock()
        self.lacking: list[Digest] = []

    def look(self, digest: Digest) -> tree.Node | None:
        manifest = self._client.find_manifest(self._repository, digest)
        if manifest is None:
            self.lacking.append(digest)
            return None
        vouchers = self._archive.of(digest).digests
        with self._lock:
            self._vouched |= dict.fromkeys(vouchers, digest)
        return tree.Node(manifest, vouchers)

    def sentence(self, digest: Digest, platform: Platform | None) -> str:
        of = f" of {platform}" if platform else ""
        if digest in self._vouched:
            of = f", which vouches for {self._vouched[digest].short},"
        return f"{self._repository}: the manifest {digest}{of} is missing"


def _blob(client: "Client", repository: str, blob: Descriptor) -> str:
    size = client.head_blob(repository, blob.digest)
    if size is None:
        return f"{repository}: the blob {blob.digest} is missing"
    if size != blob.size:
        return f"{repository}: the blob {blob.digest} has {size} bytes, not {blob.size}"
    return ""
