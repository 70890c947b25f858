"""An image as the tree it is: an index, its children, and what vouches for each of them."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from shipit.errors import RemoteError
from shipit.model.digest import Digest
from shipit.registry.manifests import Manifest

_DEEPEST = 16  # an index may contain indexes, a signature be signed; no real tree comes near
_MOST = 5000  # manifests: what is larger was not made by a build
_AT_ONCE = 8


class Node(msgspec.Struct, frozen=True):
    """A manifest, and what comes before it: what it refers to, and what vouches for it."""

    manifest: Manifest
    vouchers: tuple[Digest, ...] = ()

    @property
    def before(self) -> tuple[Digest, ...]:
        return (*(c.digest for c in self.manifest.children), *self.vouchers)


Look = Callable[[Digest], Node | None]


def grow(look: Look, root: Digest) -> dict[Digest, Node]:
    """Every manifest that is reached from a digest. `look` is asked for each once, from several
    threads; where it gives None the tree ends. A circle is gone round once.

    Raises RemoteError for a tree that is too large to be one.
    """
    found: dict[Digest, Node] = {}
    asked: set[Digest] = set()
    wanted = [root]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for _ in range(_DEEPEST):
            asked.update(wanted)
            level = [n for n in threads.map(look, wanted) if n is not None]
            found |= {n.manifest.digest: n for n in level}
            wanted = list(dict.fromkeys(d for n in level for d in n.before if d not in asked))
            if not wanted:
                return found
            if len(asked) + len(wanted) > _MOST:
                raise RemoteError(f"{root}: more than {_MOST} manifests belong to it")
    raise RemoteError(f"{root}: manifests within manifests, more than {_DEEPEST} deep")


def ranks(nodes: dict[Digest, Node], root: Digest) -> list[list[Manifest]]:
    """The manifests in the order in which they are written: each after all that comes before it.
    Those of one rank may be written at once."""
    levels: dict[Digest, int] = {}
    for digest in _after_what_it_needs(nodes, root):
        before = [levels[d] for d in nodes[digest].before if d in levels]
        levels[digest] = max(before, default=-1) + 1
    ordered: list[list[Manifest]] = [[] for _ in range(max(levels.values(), default=-1) + 1)]
    for digest, level in levels.items():
        ordered[level].append(nodes[digest].manifest)
    return ordered


def _after_what_it_needs(nodes: dict[Digest, Node], root: Digest) -> Iterable[Digest]:
    """Depth first, without recursion. In a circle, whoever was reached first comes last."""
    seen: set[Digest] = set()
    way: list[tuple[Digest, bool]] = [(root, False)]
    while way:
        digest, is_done = way.pop()
        if is_done:
            yield digest
        elif digest in nodes and digest not in seen:
            seen.add(digest)
            way.append((digest, True))
            way += [(d, False) for d in nodes[digest].before]
