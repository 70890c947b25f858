"""A WebSocket as exec and attach need one (RFC 6455): binary messages, both ways at once.

Two threads use it, one that listens and one that speaks. TLS is no two-way street for threads
(openssl.org, "Can I share an SSL object between threads?"): both wait outside of a lock, on a
socket that does not block, and take turns inside.
"""

import os
import select
import socket
import ssl
import time
from threading import Lock
from types import TracebackType
from typing import Self

import msgspec

from shipit.errors import RemoteError

_CONTINUED, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x2, 0x8, 0x9, 0xA
_FINAL = _MASKED = 0x80
_CHUNK = 64 * 1024
_LARGEST = 64 * 1024 * 1024  # bytes of a message; the kubelet's have 32 kB
_SILENCE = 30.0  # seconds without a word after which the other side is asked whether it is there
_WRITE = 30.0  # seconds in which what is sent must be taken


class Frame(msgspec.Struct, frozen=True):
    code: int
    payload: bytes
    final: bool = True


class Session:
    """An open WebSocket. `rest` is what came with the handshake's answer, `title` the request.

    Every method raises RemoteError, which is temporary, when the connection breaks.
    """

    def __init__(
        self,
        connection: socket.socket,
        subprotocol: str | None,
        *,
        rest: bytes = b"",
        title: str = "",
    ) -> None:
        self.subprotocol = subprotocol
        self._socket, self._held, self._title = connection, bytearray(rest), title
        self._turn, self._sending = Lock(), Lock()
        connection.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._send(Frame(_CLOSE, (1000).to_bytes(2, "big")))
        except RemoteError:
            pass  # it is closed either way
        finally:
            self._socket.close()

    def send_bytes(self, data: bytes) -> None:
        self._send(Frame(_BINARY, data))

    def receive_bytes(self) -> bytes:
        """The next message, however long that takes while the other side is there."""
        message = bytearray()
        while True:
            frame = self._frame()
            if frame.code == _PING:
                self._send(Frame(_PONG, frame.payload))
            elif frame.code == _CLOSE:
                raise self._broken(f"it closed the connection{_said(frame.payload)}")
            elif frame.code != _PONG:
                message += frame.payload
                if len(message) > _LARGEST:
                    raise self._broken("its message does not end")
                if frame.final:
                    return bytes(message)

    def _frame(self) -> Frame:
        head = self._take(2)
        length = head[1] & ~_MASKED
        if length >= 126:
            length = int.from_bytes(self._take(2 if length == 126 else 8), "big")
        if length > _LARGEST:
            raise self._broken(f"its message has {length} bytes")
        mask = self._take(4) if head[1] & _MASKED else b""
        payload = self._take(length)
        return Frame(
            head[0] & 0x0F, _masked(payload, mask) if mask else payload, bool(head[0] & _FINAL)
        )

    def _take(self, count: int) -> bytes:
        while len(self._held) < count:
            self._held += self._received()
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def _received(self) -> bytes:
        """Waits for something; after a silence it asks, and a second silence is the end."""
        quiet = 0
        while True:
            try:
                with self._turn:
                    data = self._socket.recv(_CHUNK)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                if select.select([self._socket], [], [], _SILENCE)[0]:
                    continue
                quiet += 1
                if quiet > 1:
                    raise self._broken("it does not answer any more") from None
                self._send(Frame(_PING, b""))
            except (OSError, ValueError) as error:  # ValueError: closed by ourselves
                raise self._broken(str(error)) from None
            else:
                if not data:
                    raise self._broken("the connection ended")
                return data

    def _send(self, frame: Frame) -> None:
        data = memoryview(_packed(frame))
        until = time.monotonic() + _WRITE
        with self._sending:  # a frame is whole before the next one begins
            while data:
                try:
                    with self._turn:
                        sent = self._socket.send(data)
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                    left = until - time.monotonic()
                    if left <= 0 or not select.select([], [self._socket], [], left)[1]:
                        raise self._broken("it takes nothing any more") from None
                except (OSError, ValueError) as error:
                    raise self._broken(str(error)) from None
                else:
                    data = data[sent:]

    def _broken(self, why: str) -> RemoteError:
        return RemoteError(
            f"the connection broke: {self._title}", why, request=self._title, temporary=True
        )


def _packed(frame: Frame) -> bytes:
    """What a client sends is masked (section 5.3)."""
    length = len(frame.payload)
    if length < 126:
        size = bytes([_MASKED | length])
    elif length < 65536:
        size = bytes([_MASKED | 126]) + length.to_bytes(2, "big")
    else:
        size = bytes([_MASKED | 127]) + length.to_bytes(8, "big")
    mask = os.urandom(4)
    return bytes([_FINAL | frame.code]) + size + mask + _masked(frame.payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    """As one large number: byte for byte would take a while."""
    length = len(payload)
    keys = (mask * (length // 4 + 1))[:length]
    whole = int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")
    return whole.to_bytes(length, "big")


def _said(payload: bytes) -> str:
    """A close frame's code and reason (section 5.5.1)."""
    if len(payload) < 2:
        return ""
    reason = payload[2:].decode(errors="replace")
    return f" ({int.from_bytes(payload[:2], 'big')}{f' {reason}' if reason else ''})"
