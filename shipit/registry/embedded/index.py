"""index.json of an OCI image layout, as this registry keeps its repositories and tags in it.

Each entry is a descriptor of a manifest. A tag is an entry with the annotation
`org.opencontainers.image.ref.name: <repository>:<tag>`, which every OCI tool understands; a
manifest that has no tag is an entry with an annotation of ours that names its repository. Entries
of other tools, which name no repository, are kept as they are.
"""

from collections.abc import Iterator

import msgspec

from shipit.model import codec
from shipit.model.digest import Digest
from shipit.registry import media
from shipit.registry.manifests import Descriptor, Manifest

REF_NAME = "org.opencontainers.image.ref.name"
REPOSITORY = "dev.shipit.repository"
SUBJECT = "dev.shipit.subject"


class Entry(msgspec.Struct, frozen=True):
    """A manifest in a repository, under a tag or (tag "") without one."""

    repository: str
    tag: str
    descriptor: Descriptor
    raw: msgspec.Raw | None = None  # as it was read: other tools' fields are written back

    @property
    def digest(self) -> Digest:
        return self.descriptor.digest

    @property
    def subject(self) -> str:
        return (self.descriptor.annotations or {}).get(SUBJECT, "")


def entry_for(repository: str, tag: str, manifest: Manifest) -> Entry:
    annotations = {REPOSITORY: repository}
    if tag:
        annotations[REF_NAME] = f"{repository}:{tag}"
    if manifest.subject:
        annotations[SUBJECT] = str(manifest.subject)
    return Entry(
        repository,
        tag,
        Descriptor(manifest.media_type, manifest.digest, len(manifest.content), annotations),
    )


class Document(msgspec.Struct, frozen=True):
    manifests: tuple[msgspec.Raw, ...] = ()


def _entry_of(raw: msgspec.Raw) -> Entry:
    descriptor = codec.decode(bytes(raw), Descriptor)
    annotations = descriptor.annotations or {}
    repository, _, tag = annotations.get(REF_NAME, "").rpartition(":")
    if not repository:
        return Entry(annotations.get(REPOSITORY, ""), "", descriptor, raw)
    return Entry(repository, tag, descriptor, raw)


class Index:
    """The parsed index.json. Immutable: a change gives a new one."""

    def __init__(self, entries: tuple[Entry, ...] = ()) -> None:
        self.entries = entries
        self._tags = {(e.repository, e.tag): e for e in entries if e.repository and e.tag}
        self._digests = {(e.repository, e.digest): e for e in entries if e.repository}

    @classmethod
    def parse(cls, content: bytes) -> "Index":
        """Raises ValueError (msgspec's) when it is not an image index."""
        return cls(tuple(_entry_of(raw) for raw in codec.decode(content, Document).manifests))

    def render(self) -> bytes:
        return codec.encode(
            {
                "schemaVersion": 2,
                "mediaType": media.OCI_INDEX,
                "manifests": [e.raw or e.descriptor for e in self.entries],
            }
        )

    def tagged(self, repository: str, tag: str) -> Entry | None:
        return self._tags.get((repository, tag))

    def by_digest(self, repository: str, digest: Digest) -> Entry | None:
        return self._digests.get((repository, digest))

    def has(self, repository: str) -> bool:
        return any(e.repository == repository for e in self.entries)

    def tags(self, repository: str) -> list[str]:
        """In ASCII order (distribution-spec, "Listing Tags")."""
        return sorted(e.tag for e in self.entries if e.repository == repository and e.tag)

    def referrers(self, repository: str, subject: Digest) -> Iterator[Entry]:
        """Each manifest once, however many tags it has."""
        wanted, seen = str(subject), set()
        for entry in self.entries:
            if entry.repository == repository and entry.subject == wanted:
                if entry.digest not in seen:
                    yield entry
                seen.add(entry.digest)

    def with_entry(self, new: Entry) -> "Index":
        """A tag moves to its new manifest; what it pointed at stays, without a tag."""
        if not new.tag:
            known = self.by_digest(new.repository, new.digest)
            return self if known else Index((*self.entries, new))
        kept = self.without_tag(new.repository, new.tag).entries
        same = (new.repository, "", new.digest)
        kept = tuple(e for e in kept if (e.repository, e.tag, e.digest) != same)
        return Index((*kept, new))

    def without_tag(self, repository: str, tag: str) -> "Index":
        old = self.tagged(repository, tag)
        if old is None:
            return self
        rest = Index(tuple(e for e in self.entries if e is not old))
        return rest.with_entry(_untagged(old))

    def without_digest(self, repository: str, digest: Digest) -> "Index":
        """The manifest goes from the repository, with every tag that points at it."""
        gone = (repository, digest)
        return Index(tuple(e for e in self.entries if (e.repository, e.digest) != gone))


def _untagged(entry: Entry) -> Entry:
    annotations = {**(entry.descriptor.annotations or {}), REPOSITORY: entry.repository}
    annotations.pop(REF_NAME, None)
    descriptor = msgspec.structs.replace(entry.descriptor, annotations=annotations)
    return Entry(entry.repository, "", descriptor)
