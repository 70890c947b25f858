"""An image as the tree it is: an index, its children, their configs and layers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from shipit.errors import RemoteError
from shipit.model.digest import Digest
from shipit.registry.manifests import Manifest

_DEEPEST = 8  # an index may contain indexes; no real one comes near
_AT_ONCE = 8

Get = Callable[[Digest], Manifest | None]


def children_first(get: Get, digest: Digest) -> list[Manifest]:
    """The manifests of an image, each after all that it refers to. `get` is asked for each digest
    once, from several threads; where it gives None the tree ends."""
    found: dict[Digest, Manifest] = {}
    wanted = {digest: None}
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for _ in range(_DEEPEST):
            level = threads.map(lambda d: found.get(d) or get(d), list(wanted))
            wanted = {}
            for manifest in [m for m in level if m is not None]:
                found.pop(manifest.digest, None)  # the deepest place counts
                found[manifest.digest] = manifest
                wanted |= dict.fromkeys(c.digest for c in manifest.children)
            if not wanted:
                return list(reversed(found.values()))
    raise RemoteError(f"{digest}: indexes within indexes, more than {_DEEPEST} deep")
