"""What vouches for the manifests of one repository, found with as few questions as can be."""

from functools import cached_property
from threading import Lock

import msgspec

from shipit.model.digest import Digest
from shipit.registry import documents
from shipit.registry.manifests import Manifest
from shipit.registry.referrers import Referrers, fallback_tag
from shipit.registry.retry import persist
from shipit.registry.transport import Transport


class Vouchers(msgspec.Struct, frozen=True):
    """Of one manifest: its referrers, and the digest tags that name it, with their manifests."""

    referrers: tuple[Digest, ...]
    tagged: dict[str, Manifest]

    @property
    def digests(self) -> tuple[Digest, ...]:
        return tuple(dict.fromkeys((*self.referrers, *(m.digest for m in self.tagged.values()))))


class Archive:
    """One repository's. Its tags are listed once."""

    def __init__(self, transport: Transport, referrers: Referrers, repository: str) -> None:
        self._transport, self._referrers = transport, referrers
        self._repository = repository
        self._lock = Lock()

    def of(self, digest: Digest) -> Vouchers:
        listed = persist(lambda: self._referrers.of(self._repository, digest))
        with self._lock:
            tags = self._digest_tags.get(fallback_tag(digest), [])
        found = {tag: self._find(tag) for tag in tags}
        return Vouchers(
            tuple(d.digest for d in listed),
            {tag: manifest for tag, manifest in found.items() if manifest is not None},
        )

    @cached_property
    def _digest_tags(self) -> dict[str, list[str]]:
        return persist(lambda: self._referrers.digest_tags(self._repository))

    def _find(self, tag: str) -> Manifest | None:
        """None for a tag that was deleted in between, and for one that names no manifest of today:
        neither vouches for anything."""
        try:
            return persist(lambda: documents.find(self._transport, self._repository, tag))
        except documents.OldFormatError:
            return None
