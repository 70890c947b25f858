"""Request bodies as they come: counted by Content-Length, or chunked (RFC 9112, 7.1)."""

from typing import BinaryIO

from shipit.registry.embedded.answers import Refused

_LINE = 1024  # the longest chunk-size or trailer line that is accepted


class CountedBody:
    """`left` bytes are still to come."""

    def __init__(self, source: BinaryIO, length: int) -> None:
        self._source = source
        self.left = length

    def readinto(self, buffer: memoryview) -> int:
        if not self.left:
            return 0
        count: int = self._source.readinto(buffer[: self.left])  # type: ignore[attr-defined]
        if not count:
            raise ConnectionResetError("the request ended in the middle of its body")
        self.left -= count
        return count


class ChunkedBody:
    """Docker's engine sends layers like this."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._chunk = CountedBody(source, 0)
        self._started = False
        self._ended = False

    @property
    def left(self) -> int:
        """Not 0 until the last chunk was seen."""
        return 0 if self._ended else 1

    def readinto(self, buffer: memoryview) -> int:
        if not self._ended and not self._chunk.left:
            self._next_chunk()
        return 0 if self._ended else self._chunk.readinto(buffer)

    def _next_chunk(self) -> None:
        if self._started:
            self._line()  # the CRLF after a chunk's data
        self._started = True
        size = self._line().partition(b";")[0].strip()
        try:
            self._chunk = CountedBody(self._source, int(size, 16))
        except ValueError:
            raise Refused(400, "SIZE_INVALID", "a chunk without a size") from None
        if not self._chunk.left:
            while self._line().strip():
                pass  # trailers
            self._ended = True

    def _line(self) -> bytes:
        line = self._source.readline(_LINE)
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the request ended in the middle of its body")
        return line


def read_all(body: CountedBody | ChunkedBody, limit: int) -> bytes:
    """A small body whole. Raises Refused (413) when it has more than `limit` bytes."""
    content = bytearray()
    buffer = memoryview(bytearray(64 * 1024))
    while count := body.readinto(buffer):
        content += buffer[:count]
        if len(content) > limit:
            raise Refused(413, "SIZE_INVALID", f"a manifest has at most {limit} bytes")
    return bytes(content)
