"""Blobs on their way in. The state of an upload is its file alone, so that any process that serves
the folder can take the next chunk."""

import fcntl
import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from shipit.model.digest import Digest
from shipit.registry.embedded.answers import Refused, digest_invalid, upload_unknown
from shipit.registry.embedded.layout import Layout

CHUNK = 512 * 1024  # one read; a connection's thread has one buffer of this size and no more
_RANGE = re.compile(r"(\d+)-(\d+)")
_NAME = re.compile(r"[0-9a-f-]{36}")
_REMEMBERED = 64  # running hashes kept for uploads that come in several requests


class Body(Protocol):
    """A request's body. 0 bytes read is its end; a lost connection raises ConnectionError."""

    def readinto(self, buffer: memoryview) -> int: ...


class Uploads:
    """The uploads of one layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        # upload -> (bytes seen, their SHA-256): spares reading a blob again at its end. Only a
        # short cut: without it (another process had the last chunk) the file is read.
        self._hashes: OrderedDict[str, tuple[int, hashlib._Hash]] = OrderedDict()
        self._buffers = threading.local()

    def start(self) -> str:
        return self._layout.new_upload().name

    def size(self, name: str) -> int:
        try:
            return self._path(name).stat().st_size
        except FileNotFoundError:
            raise upload_unknown() from None

    def cancel(self, name: str) -> None:
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            raise upload_unknown() from None
        self._hashes.pop(name, None)

    def append(self, name: str, body: Body, content_range: str | None) -> int:
        """Take a chunk; the upload's size after it. A chunk that breaks off stays up to there."""
        with self._open(name) as file:
            return self._take(name, file, body, content_range)

    def finish(self, name: str, body: Body, content_range: str | None, digest: Digest) -> None:
        """Take the last chunk, which may be empty, and make the upload the blob `digest`."""
        with self._open(name) as file:
            start = os.fstat(file.fileno()).st_size
            try:
                size = self._take(name, file, body, content_range)
            except ConnectionError:
                file.truncate(start)  # so that the same PUT can be sent again
                raise
            found = self._digest(name, file, size, digest.algorithm)
            if found != digest:
                raise digest_invalid(f"the content is {found}, not {digest}")
            self._layout.settle(self._path(name), self._layout.blob(digest))
        self._hashes.pop(name, None)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise upload_unknown()
        return self._layout.uploads / name

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        try:
            file = self._path(name).open("r+b", buffering=0)
        except FileNotFoundError:
            raise upload_unknown() from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(
                    409, "BLOB_UPLOAD_INVALID", "another request is writing to this upload"
                ) from None
            if not self._path(name).exists():
                raise upload_unknown()  # finished by another request in between
            yield file

    def _take(self, name: str, file: IO[bytes], body: Body, content_range: str | None) -> int:
        size = os.fstat(file.fileno()).st_size
        length = _check_order(content_range, size)
        hashed = self._hashes.pop(name, None)
        running = hashed[1] if hashed and hashed[0] == size else None
        if size == 0:
            running = hashlib.sha256()
        file.seek(size)
        end = size + self._receive(file, body, running)
        if running is not None:
            self._remember(name, end, running)
        if length is not None and end - size != length:
            raise Refused(400, "SIZE_INVALID", f"the range has {length} bytes, {end - size} came")
        return end

    def _receive(self, file: IO[bytes], body: Body, running: "hashlib._Hash | None") -> int:
        buffer = self._buffer()
        received = 0
        while count := body.readinto(buffer):
            part = buffer[:count]
            if running is not None:
                running.update(part)
            _write(file, part)
            received += count
        return received

    def _buffer(self) -> memoryview:
        if not hasattr(self._buffers, "own"):
            self._buffers.own = memoryview(bytearray(CHUNK))
        own: memoryview = self._buffers.own
        return own

    def _remember(self, name: str, size: int, running: "hashlib._Hash") -> None:
        self._hashes[name] = (size, running)
        while len(self._hashes) > _REMEMBERED:
            self._hashes.popitem(last=False)

    def _digest(self, name: str, file: IO[bytes], size: int, algorithm: str) -> Digest:
        known = self._hashes.get(name)
        if known and known[0] == size and algorithm == "sha256":
            return Digest(f"sha256:{known[1].hexdigest()}")
        file.seek(0)
        whole = hashlib.new(algorithm)
        buffer = self._buffer()
        while count := file.readinto(buffer):  # type: ignore[attr-defined]  # unbuffered: FileIO
            whole.update(buffer[:count])
        return Digest(f"{algorithm}:{whole.hexdigest()}")


def _write(file: IO[bytes], part: memoryview) -> None:
    """All of it: an unbuffered file may take less at a time."""
    while part:
        part = part[file.write(part) :]


def _check_order(content_range: str | None, size: int) -> int | None:
    """The length that a Content-Range announces; 416 when it does not continue at `size`."""
    if content_range is None:
        return None
    found = _RANGE.fullmatch(content_range.removeprefix("bytes ").partition("/")[0])
    start, end = (int(n) for n in found.groups()) if found else (-1, -2)
    if start != size:
        raise Refused(
            416,
            "BLOB_UPLOAD_INVALID",
            f"the upload has {size} bytes, the chunk is {content_range}",
            {"Range": f"0-{max(size - 1, 0)}"},
        )
    return end - start + 1
