"""An OCI image layout on disk (image-spec image-layout.md), whole after kill -9 at any moment.

oci-layout        {"imageLayoutVersion": "1.0.0"}
index.json        repositories and tags (index.py); replaced by rename, under a lock
blobs/sha256/…    contents by digest; each appears by rename, whole and on disk
uploads/…         what is being received; only ever renamed into place
registry.json     this registry's id and port (address.py)
"""

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shipit.errors import PreconditionError
from shipit.model.digest import Digest
from shipit.registry.embedded.index import Entry, Index, entry_for
from shipit.registry.manifests import Manifest

_MARKER = b'{"imageLayoutVersion":"1.0.0"}'
_STALE = 24 * 3600.0  # seconds after which an upload that nobody continues is removed


class Layout:
    """One folder. Several processes may have it open at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uploads = folder / "uploads"
        self._seen: tuple[tuple[int, int, int], Index] | None = None

    def prepare(self) -> None:
        """Make the folder what it must be. Raises PreconditionError where that cannot be."""
        try:
            self.uploads.mkdir(parents=True, exist_ok=True)
            (self.folder / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            with self.locked():
                if not (self.folder / "index.json").exists():
                    self.replace("index.json", Index().render())
                if not (self.folder / "oci-layout").exists():
                    self.replace("oci-layout", _MARKER)
                self.index()
        except OSError as error:
            raise PreconditionError(
                f"the embedded registry cannot use the folder {self.folder}",
                str(error),
                "make it writable, or name a registry in shipit.yaml (`registry:`)",
            ) from error
        except ValueError as error:
            raise PreconditionError(
                f"{self.folder / 'index.json'} is not an OCI image index",
                str(error),
                "restore the file, or move the folder away and build again",
            ) from error
        self._sweep()

    def _sweep(self) -> None:
        """Remove what killed processes left half received, once it is a day old."""
        for path in self.uploads.iterdir():
            try:
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()
            except FileNotFoundError:
                continue  # another process was faster

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One writer at a time, among threads and processes; the kernel drops a dead one's lock."""
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def replace(self, name: str, content: bytes) -> None:
        """A file of the folder, wholly old or wholly new whenever it is read."""
        self._store(content, self.folder / name)

    def _store(self, content: bytes, path: Path) -> None:
        temporary = self.new_upload()
        temporary.write_bytes(content)
        self.settle(temporary, path)

    def settle(self, temporary: Path, path: Path) -> None:
        """Put a finished file in its place so that it is there after a power cut too."""
        sync(temporary)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(path)
        sync(path.parent)

    def new_upload(self) -> Path:
        path = self.uploads / str(uuid.uuid4())
        path.touch()
        return path

    # Blobs

    def blob(self, digest: Digest) -> Path:
        return self.folder / "blobs" / digest.algorithm / digest.hex

    def has_blob(self, digest: Digest) -> bool:
        return self.blob(digest).is_file()

    def delete_blob(self, digest: Digest) -> bool:
        """False when it was not there."""
        try:
            self.blob(digest).unlink()
        except FileNotFoundError:
            return False
        return True

    # Manifests

    def index(self) -> Index:
        """The index as it is now; read again only when the file is another one."""
        with (self.folder / "index.json").open("rb") as file:
            status = os.fstat(file.fileno())
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            seen = self._seen
            if seen is None or seen[0] != version:
                seen = self._seen = (version, Index.parse(file.read()))
        return seen[1]

    def change(self, decide: Callable[[Index], Index]) -> None:
        """Apply a change to the index as it is at that moment."""
        with self.locked():
            before = self.index()
            after = decide(before)
            if after is not before:
                self.replace("index.json", after.render())

    def find(self, repository: str, reference: Digest | str) -> Entry | None:
        index = self.index()
        if isinstance(reference, Digest):
            return index.by_digest(repository, reference)
        return index.tagged(repository, reference)

    def manifest(self, entry: Entry) -> Manifest:
        content = self.blob(entry.digest).read_bytes()
        return Manifest(entry.descriptor.media_type, content, entry.digest)

    def add(self, repository: str, tag: str, manifest: Manifest) -> None:
        path = self.blob(manifest.digest)
        if not path.is_file():
            self._store(manifest.content, path)
        self.change(lambda index: index.with_entry(entry_for(repository, tag, manifest)))

    def missing(self, repository: str, manifest: Manifest) -> list[Digest]:
        """What the manifest refers to and the registry does not hold. Not its subject: a referrer
        may come first (distribution-spec, "Push")."""
        index = self.index()
        children = (
            c.digest for c in manifest.children if not index.by_digest(repository, c.digest)
        )
        blobs = (b.digest for b in manifest.blobs if not self.has_blob(b.digest))
        return [*children, *blobs]

    def users(self, digest: Digest) -> set[str]:
        """The repositories with a manifest that refers to this blob."""
        return {
            entry.repository
            for entry in self.index().entries
            if entry.repository and self._refers(entry, digest)
        }

    def _refers(self, entry: Entry, digest: Digest) -> bool:
        if entry.digest == digest:
            return True
        try:
            return any(b.digest == digest for b in self.manifest(entry).blobs)
        except (OSError, ValueError):
            return False  # another tool's entry, or one whose content is gone


def sync(path: Path) -> None:
    """Wait until a file's or folder's content is on disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
