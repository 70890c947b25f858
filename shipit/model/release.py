"""Releases: what is promoted. Immutable, and complete without a checkout."""

from datetime import datetime
from typing import Any

import msgspec

from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.image import Image

BUILT, RESOLVED = "built", "resolved"


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the code came from. `commit` is empty outside a git repository."""

    commit: str = ""
    dirty: bool = False
    branch: str = ""
    subject: str = ""
    url: str = ""
    committed_at: datetime | None = None

    @property
    def clean_commit(self) -> str:
        """The commit that names exactly these bytes; empty when none does."""
        return "" if self.dirty else self.commit


class ReleaseImage(msgspec.Struct, frozen=True):
    """A service's image, and whether this release built it or found it."""

    image: Image
    origin: str = BUILT


# What this shipit writes and reads. 2: `sources`, which a shipit that does not know them would
# leave out of a deployment.
VERSION = 2


class Release(msgspec.Struct, frozen=True):
    """`images` by service name, and by what the team's own manifests call those that no service
    has. `environments` holds, by environment name, the Compose project as `docker compose config`
    renders it for that environment (the Compose Specification's JSON form, relative paths kept),
    with every `build` removed and every image pinned by digest. `sources` has, for environments
    that have manifests of their own, those objects as they were rendered, every image pinned by
    digest: see model/source.py. It is not in the JSON of a release that has none, whose digest is
    what it was before there were any."""

    id: str
    app: str
    created_at: datetime
    created_by: str
    source: Source
    images: dict[str, ReleaseImage]
    environments: dict[str, dict[str, Any]]
    registry: str = ""  # empty: the embedded registry, whose address is the machine's own matter
    version: int = 1
    sources: dict[str, tuple[dict[str, Any], ...]] | msgspec.UnsetType = msgspec.UNSET

    def source_of(self, environment: str) -> tuple[dict[str, Any], ...]:
        """The environment's own manifests; empty when compose.yaml is what runs there."""
        return () if self.sources is msgspec.UNSET else self.sources.get(environment, ())

    def digest(self) -> Digest:
        """The SHA-256 of the canonical JSON."""
        return Digest.of(codec.canonical(self))


def is_service(name: str) -> bool:
    """Whether a release keeps an image for a service. One that no service has, and that the team's
    own manifests name, is kept under its reference, which has a path, a tag or a digest."""
    return not {"/", ":", "@"} & set(name)


class ReleaseSummary(msgspec.Struct, frozen=True):
    """What the ledger's state keeps of a release, so that listing needs no documents."""

    id: str
    digest: Digest
    created_at: datetime
    created_by: str
    source: Source
    images: dict[str, Digest]


def summarize(release: Release) -> ReleaseSummary:
    return ReleaseSummary(
        id=release.id,
        digest=release.digest(),
        created_at=release.created_at,
        created_by=release.created_by,
        source=release.source,
        images={name: found.image.digest for name, found in release.images.items()},
    )
