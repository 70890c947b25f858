"""Manifests and indexes: their bytes, kept as they are, and what they refer to."""

from functools import cached_property
from typing import Any

import msgspec

from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.image import Platform
from shipit.registry import media

# distribution-spec: "Client and registry implementations SHOULD expect to be able to support
# manifest pushes of at least 4 megabytes". Nothing in the field is larger.
LIMIT = 4 * 1024 * 1024

# BuildKit's attestation manifests: children of an index that no engine runs.
_ATTESTATION = ("vnd.docker.reference.type", "attestation-manifest")


class PlatformField(msgspec.Struct, frozen=True):
    """The `platform` of a descriptor (image-spec image-index.md)."""

    architecture: str = ""
    os: str = ""
    variant: str = ""


class Descriptor(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What is referred to: its type, digest and size in bytes (image-spec descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    annotations: dict[str, str] | None = None
    artifact_type: str | None = None
    platform: PlatformField | None = None
    urls: tuple[str, ...] | None = None

    @property
    def runs_on(self) -> Platform | None:
        """The platform that is declared; None when there is none or it is unknown/unknown."""
        found = self.platform
        if found is None or not found.os or found.os == "unknown":
            return None
        return Platform(found.os, found.architecture, found.variant)

    @property
    def is_attestation(self) -> bool:
        key, value = _ATTESTATION
        declared = self.platform is not None and self.platform.os == "unknown"
        return declared or (self.annotations or {}).get(key) == value


class Document(msgspec.Struct, frozen=True, rename="camel"):
    """The fields that manifests and indexes have in common or alone. Others are passed over."""

    media_type: str | None = None
    artifact_type: str | None = None
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] | None = None
    manifests: tuple[Descriptor, ...] | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class Manifest:
    """A manifest or an index as the registry holds it. `content` is never written anew: its digest
    is the image's identity."""

    def __init__(self, media_type: str, content: bytes, digest: Digest | None = None) -> None:
        """Raises ValueError when `content` is not a manifest."""
        self.media_type = media_type
        self.content = content
        self.digest = digest or Digest.of(content)
        self.document = codec.decode(content, Document)
        if self.document.config is None and self.document.manifests is None:
            raise ValueError("neither a config nor manifests: this is not an OCI manifest")

    @property
    def is_index(self) -> bool:
        return self.document.manifests is not None

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """The manifests of an index; none for a manifest."""
        return self.document.manifests or ()

    @property
    def config(self) -> Descriptor | None:
        return self.document.config

    @cached_property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers that a registry must hold, once each; foreign layers are left out."""
        config = () if self.config is None else (self.config,)
        found = {b.digest: b for b in (*config, *(self.document.layers or ()))}
        return tuple(b for b in found.values() if not media.is_foreign(b.media_type))

    @property
    def foreign(self) -> tuple[Descriptor, ...]:
        """Layers that are fetched from elsewhere and that nobody may hand on."""
        return tuple(d for d in self.document.layers or () if media.is_foreign(d.media_type))

    @property
    def subject(self) -> Digest | None:
        return self.document.subject.digest if self.document.subject else None

    @property
    def artifact_type(self) -> str | None:
        """What a list of referrers says of it (distribution-spec, "Listing Referrers")."""
        if self.document.artifact_type:
            return self.document.artifact_type
        return self.config.media_type if self.config else None

    @property
    def descriptor(self) -> Descriptor:
        """This manifest as a list of referrers names it: with its type and annotations."""
        return Descriptor(
            media_type=self.media_type,
            digest=self.digest,
            size=len(self.content),
            annotations=self.document.annotations,
            artifact_type=self.artifact_type,
        )


class ConfigPlatform(msgspec.Struct, frozen=True):
    """The platform that an image's config declares (image-spec config.md)."""

    os: str = ""
    architecture: str = ""
    variant: str = ""


def index_of(manifests: tuple[Descriptor, ...]) -> bytes:
    """An OCI image index with these manifests."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media.OCI_INDEX,
        "manifests": manifests,
    }
    return codec.encode(document)
