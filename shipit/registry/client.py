"""The client of OCI registries (OCI distribution specification 1.1).

Repositories are strings such as `127.0.0.1:5417/shop/web` or `docker.io/library/busybox`. A client
is shared by threads. Every method is tried again by the one policy while its errors are temporary.
All raise PreconditionError when the registry refuses the credentials, and RemoteError when it
cannot be reached or answers with an error.
"""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from shipit.errors import PreconditionError
from shipit.model.digest import Digest
from shipit.model.image import Image, Platform, Reference
from shipit.registry import blobs, documents, media
from shipit.registry.copying import Copied, copy
from shipit.registry.keychain import Chain, default
from shipit.registry.manifests import Descriptor, Manifest, PlatformField, index_of
from shipit.registry.referrers import Referrers
from shipit.registry.resolving import resolve
from shipit.registry.retry import persist
from shipit.registry.transfers import Report, silent
from shipit.registry.transport import Transport
from shipit.registry.verifying import verify


class Client:
    """`keychain` gives the credentials: what `docker login` left, when none is given."""

    def __init__(self, keychain: Chain | None = None) -> None:
        self.keychain = keychain or default()
        self.transport = Transport(self.keychain)
        self.referring = Referrers(self.transport)

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Images

    def resolve(self, reference: Reference) -> Image:
        """The image at a tag or digest, with the platforms of its index (no tag: `latest`).

        Raises PreconditionError when the repository does not have it, or not all of it.
        """
        return resolve(self, reference)

    def copy(
        self,
        image: Image,
        repository: str,
        *,
        tag: str = "",
        move: bool = False,
        whole: bool = False,
        on_progress: Report = silent,
    ) -> Copied:
        """The whole image, byte for byte, in another repository, with the signatures, SBOMs and
        attestations of its index and of every child; what is there is not sent.

        A half-copied image is completed. A manifest that is there stands for its blobs and for
        what vouched for it; with `whole` each of them is asked for too, and mended. `tag` is
        written last, by the rules of `tag`. `on_progress` is called from several threads.
        """
        return copy(self, image, repository, on_progress, tag=tag, move=move, whole=whole)

    def verify(self, image: Image) -> list[str]:
        """What is missing of an image in its repository, a sentence each; none when it is whole.
        What is listed as vouching for it belongs to it."""
        return verify(self, image)

    def tag(self, image: Image, tag: str, *, move: bool = False) -> bool:
        """Point a tag at the image; whether that had to be written. That it does so already is a
        success, on immutable repositories too. Raises PreconditionError when it points elsewhere,
        unless `move`."""
        if self.check_tag(image, tag, move=move):
            return False
        self.put_manifest(image.repository, self.get_manifest(image.repository, image.digest), tag)
        return True

    def check_tag(self, image: Image, tag: str, *, move: bool = False) -> bool:
        """Whether a tag points at the image already; raises what `tag` would raise."""
        there = self.head_manifest(image.repository, tag)
        if there is not None and there.digest != image.digest and not move:
            raise PreconditionError(
                f"{image.repository}:{tag} is {there.digest}, not {image.digest}",
                "a tag that was written once is not moved to other bytes",
                "choose another tag, or move this one on purpose",
            )
        return there is not None and there.digest == image.digest

    # Manifests

    def head_manifest(self, repository: str, reference: Digest | str) -> Descriptor | None:
        return persist(lambda: documents.head(self.transport, repository, reference))

    def find_manifest(self, repository: str, reference: Digest | str) -> Manifest | None:
        return persist(lambda: documents.find(self.transport, repository, reference))

    def get_manifest(self, repository: str, reference: Digest | str) -> Manifest:
        """Raises PreconditionError when the repository does not have it."""
        found = self.find_manifest(repository, reference)
        if found is None:
            raise documents.missing(repository, reference)
        return found

    def put_manifest(self, repository: str, manifest: Manifest, tag: str = "") -> None:
        """Under its digest or a tag. A referrer is noted for its subject where the registry has no
        referrers API."""
        self.write_manifest(repository, manifest, tag)
        if manifest.subject is not None:
            self.note_referrers(repository, manifest.subject, [manifest.descriptor])

    def write_manifest(self, repository: str, manifest: Manifest, tag: str = "") -> None:
        """Under its digest or a tag, and nothing else."""
        persist(lambda: documents.put(self.transport, repository, manifest, tag))

    def note_referrers(
        self, repository: str, subject: Digest, referrers: Sequence[Descriptor]
    ) -> None:
        """Where the registry has no referrers API: in the fallback tag of their subject."""
        persist(lambda: self.referring.note(repository, subject, referrers))

    def put_index(
        self, repository: str, tag: str, children: Sequence[tuple[Platform, Digest]]
    ) -> Digest:
        """An index over manifests that the repository has, under a tag; its digest."""
        described = tuple(self._child(repository, p, d) for p, d in children)
        index = Manifest(media.OCI_INDEX, index_of(described))
        self.put_manifest(repository, index, tag)
        return index.digest

    def _child(self, repository: str, platform: Platform, digest: Digest) -> Descriptor:
        found = self.head_manifest(repository, digest)
        if found is None:
            raise documents.missing(repository, digest)
        field = PlatformField(platform.architecture, platform.os, platform.variant)
        return Descriptor(found.media_type, digest, found.size, platform=field)

    def delete_manifest(self, repository: str, reference: Digest | str) -> bool:
        """A manifest with its tags, or (a str) a tag alone. False when it was not there."""
        return persist(lambda: documents.delete(self.transport, repository, reference))

    def tags(self, repository: str, *, page: int = documents.PAGE) -> list[str]:
        return persist(lambda: list(documents.tags(self.transport, repository, page)))

    def referrers(
        self, repository: str, digest: Digest, artifact_type: str = ""
    ) -> tuple[Descriptor, ...]:
        return persist(lambda: self.referring.of(repository, digest, artifact_type))

    # Blobs

    def head_blob(self, repository: str, digest: Digest) -> int | None:
        """Its size in bytes; None when the repository does not have it."""
        return persist(lambda: blobs.head(self.transport, repository, digest))

    def stream_blob(self, repository: str, digest: Digest) -> Iterator[bytes]:
        """The content as it comes, its digest checked before the last piece. Not tried again once
        the first piece is there."""
        return persist(lambda: blobs.stream(self.transport, repository, digest))

    def read_blob(self, repository: str, digest: Digest) -> bytes:
        """A small blob whole, such as a config."""
        return persist(lambda: b"".join(blobs.stream(self.transport, repository, digest)))

    def put_blob(self, repository: str, digest: Digest, size: int, source: blobs.Source) -> None:
        persist(lambda: blobs.put(self.transport, repository, digest, size, source))

    def mount_blob(self, repository: str, digest: Digest, source: str) -> bool:
        """From the path `source` of the same registry; False when the registry would not."""
        return not persist(lambda: blobs.mount(self.transport, repository, digest, source))

    def delete_blob(self, repository: str, digest: Digest) -> bool:
        return persist(lambda: blobs.delete(self.transport, repository, digest))
