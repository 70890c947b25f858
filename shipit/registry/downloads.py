"""A blob on its way here: hashed as it passes, and continued where the connection broke."""

import hashlib
import re
import threading
from bisect import bisect_right
from collections.abc import Iterator

from shipit.errors import PreconditionError, RemoteError
from shipit.model.digest import Digest
from shipit.registry import address
from shipit.registry.connections import Response
from shipit.registry.retry import Patience
from shipit.registry.transport import SHORT, Call, Transport, discard, pieces

PIECE = 512 * 1024  # bytes; FACTS: 256 kB to 1 MB is where the floor is. One buffer a thread
_SLOWEST = 256 * 1024  # bytes a second: what is slower for all its length is given up
_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")
_LOCAL = threading.local()


class Download:
    """One blob of `size` bytes. What it gives is proven: the last piece only comes when the whole
    has the digest, so that a receiver that counts bytes never has a whole wrong blob.

    A connection that breaks is opened again from the byte after the last one (RFC 9110, 14: Range);
    a registry that ignores ranges sends the whole, and what is known of it is passed over.
    """

    def __init__(self, transport: Transport, repository: str, digest: Digest, size: int) -> None:
        self._transport, self._repository = transport, repository
        self._digest, self._size = digest, size
        # The hash as it was after so many bytes: from there it can go on again.
        self._offsets = [0]
        self._hashes = [hashlib.new(digest.algorithm)]

    def pieces(self, start: int = 0) -> Iterator[memoryview]:
        """The content from byte `start` on, piece by piece in a buffer that is used again.

        Raises PreconditionError when the repository does not have the blob, RemoteError (temporary)
        when it is another one than its digest and size say.
        """
        mark = bisect_right(self._offsets, start) - 1
        at, running = self._offsets[mark], self._hashes[mark].copy()
        patience = Patience()
        if not self._size:
            self._check(running)
        while at < self._size:
            try:
                for piece in self._open(at):
                    at += len(piece)
                    running.update(piece)
                    self._mark(at, running)
                    patience.progressed()
                    if at > start:
                        yield piece[max(len(piece) - (at - start), 0) :]
                self._cut_short(at)
            except WrongContentError:
                raise
            except RemoteError as error:
                patience.spend(error)

    def _mark(self, at: int, running: "hashlib._Hash") -> None:
        """Before a piece is passed on: the last one must be proven."""
        if at > self._size:
            raise self._wrong(f"it has more than {self._size} bytes")
        if at == self._size:
            self._check(running)
        elif at > self._offsets[-1]:
            self._offsets.append(at)
            self._hashes.append(running.copy())

    def _cut_short(self, at: int) -> None:
        if at < self._size:
            raise self._wrong(f"it has {at} bytes, not {self._size}")

    def _check(self, running: "hashlib._Hash") -> None:
        if running.hexdigest() != self._digest.hex:
            raise self._wrong(f"it is {self._digest.algorithm}:{running.hexdigest()}")

    def _wrong(self, how: str) -> "WrongContentError":
        return wrong(self._digest, self._call(0).title, how)

    def _call(self, at: int) -> Call:
        registry, path = address.split(self._repository)
        return Call(
            "GET",
            registry,
            f"/v2/{path}/blobs/{self._digest}",
            pull_scope(path),
            {"Range": f"bytes={at}-"} if at else {},
            expect=(200, 206, 404) if at else (200, 404),
            deadline=long(self._size),
        )

    def _open(self, at: int) -> Iterator[memoryview]:
        call = self._call(at)
        response = self._transport.send(call)
        if response.status == 404:
            discard(response)
            raise missing(self._repository, self._digest)
        passed = at - self._begins(response, at)
        for piece in pieces(response, call.title, call.registry, _buffer()):
            known = min(passed, len(piece))
            passed -= known
            if known < len(piece):
                yield piece[known:]

    def _begins(self, response: Response, at: int) -> int:
        """The first byte that is sent: the one that was asked for, or the first of all."""
        if response.status == 200:
            return 0
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found and int(found[1]) == at:
            return at
        response.close()
        raise self._wrong(f"byte {at} was asked for, and another range came")


class WrongContentError(RemoteError):
    """What came is not what its digest and size say. Going on from there would not mend it."""


def wrong(digest: Digest, title: str, how: str) -> WrongContentError:
    return WrongContentError(
        f"{title}: the content does not have the digest {digest}",
        how,
        "something between here and the registry changed it, or the registry is damaged",
        request=title,
        temporary=True,
    )


def missing(repository: str, digest: Digest) -> PreconditionError:
    return PreconditionError(
        f"{repository} has no blob {digest}",
        "an image there refers to it, but the registry does not hold it",
        "push the image again, or promote another release",
    )


def long(size: int) -> float:
    """Seconds that passing `size` bytes on may take, all in all."""
    return SHORT + size / _SLOWEST


def pull_scope(path: str) -> tuple[str, ...]:
    return (f"repository:{path}:pull",)


def _buffer() -> memoryview:
    """This thread's own, and no more than one: memory is the same for 100 MB and for 2 GB."""
    if not hasattr(_LOCAL, "buffer"):
        _LOCAL.buffer = memoryview(bytearray(PIECE))
    own: memoryview = _LOCAL.buffer
    return own
