"""Image references as people write them, and images as shipit moves them: by digest."""

import re
from typing import Self

import msgspec

from shipit.model.digest import Digest

# distribution/reference, reference.go: the grammar every registry and engine shares.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")

DOCKER_HUB = "docker.io"


class Platform(msgspec.Struct, frozen=True, order=True):
    """An `os/architecture[/variant]` (OCI image-index.md, "platform")."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        parts = text.split("/")
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise ValueError(
                f"{text!r} is not a platform: write os/architecture, as in linux/amd64"
            )
        return cls(*parts)

    def __str__(self) -> str:
        return "/".join(p for p in (self.os, self.architecture, self.variant) if p)


class Reference(msgspec.Struct, frozen=True):
    """What a person wrote: a registry, a path, and a tag or a digest or both.

    `typed` keeps the words as they were written, for messages.
    """

    registry: str
    path: str
    tag: str = ""
    digest: Digest | None = None
    typed: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Docker's rules: no registry means Docker Hub, one component there means `library/`.

        A tag is not added where none was written. Raises ValueError.
        """
        name, at, digest = text.partition("@")
        host, slash, rest = name.partition("/")
        if not slash or not (set(".:") & set(host) or host == "localhost"):
            host, rest = DOCKER_HUB, name
        path, colon, tag = rest.partition(":")
        if host == DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        if not _HOST.fullmatch(host) or not REPOSITORY_PATH.fullmatch(path):
            raise ValueError(f"{text!r} is not an image reference")
        if colon and not TAG.fullmatch(tag):
            raise ValueError(f"{text!r}: {tag!r} is not a tag")
        return cls(host, path, tag, Digest(digest) if at else None, typed=text)

    @property
    def repository(self) -> str:
        return f"{self.registry}/{self.path}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


class PlatformImage(msgspec.Struct, frozen=True):
    """One platform of an image: its manifest's digest, and its config's, which is what an engine
    without an image store of its own reports as the image's id."""

    platform: Platform
    manifest: Digest
    config: Digest


class Image(msgspec.Struct, frozen=True):
    """A repository and a digest: what is built once and promoted."""

    repository: str
    digest: Digest
    platforms: tuple[PlatformImage, ...] = ()

    @property
    def reference(self) -> str:
        return f"{self.repository}@{self.digest}"

    def identities(self) -> frozenset[Digest]:
        """Every digest under which an engine may truthfully report that this image runs."""
        children = {d for p in self.platforms for d in (p.manifest, p.config)}
        return frozenset({self.digest, *children})

    def at(self, repository: str) -> "Image":
        """The same bytes, in another repository."""
        return msgspec.structs.replace(self, repository=repository)
