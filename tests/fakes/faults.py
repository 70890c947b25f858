"""A proxy between a client and a registry that does what networks and registries do.

    with FaultProxy(registry.address) as proxy:
        proxy.faults = [Fault(reset_answer(0.5), method="GET", part="/blobs/")]

It speaks HTTP/1.1 and passes everything on; each fault is used up by as many requests as it says.
"""

import http.client
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

_PIECE = 64 * 1024
_HOPS = frozenset({"connection", "keep-alive", "transfer-encoding", "host"})


@dataclass
class Fault:
    """What is done to the first `count` requests with this method and part of the path."""

    act: "Act"
    method: str = ""
    part: str = ""
    count: int = 1
    met: list[str] = field(default_factory=list, init=False)

    def takes(self, exchange: "Exchange") -> bool:
        fits = self.method in ("", exchange.command) and self.part in exchange.path
        if not fits or len(self.met) >= self.count:
            return False
        self.met.append(f"{exchange.command} {exchange.path}")
        return True


class Exchange(BaseHTTPRequestHandler):
    """One request on its way. Faults change how it is passed on, or answer in its place."""

    server: "_Server"
    protocol_version = "HTTP/1.1"
    cut_request: float | None = None  # the part of the body after which the connection is reset
    cut_answer: float | None = None
    flips = False
    drops_range = False
    truncates = False

    def relay(self) -> None:
        with self.server.lock:
            self.server.seen.append((f"{self.command} {self.path}", dict(self.headers)))
            fault = next((f for f in self.server.faults if f.takes(self)), None)
        if fault is not None and fault.act(self):
            return
        self._pass_on()

    def __getattr__(self, name: str) -> Any:
        """`do_GET` and so on: every method is one."""
        if name.startswith("do_"):
            return self.relay
        raise AttributeError(name)

    def _pass_on(self) -> None:
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=30)
        try:
            self._request(upstream)
            self._answer(upstream.getresponse())
        except (OSError, http.client.HTTPException):
            _end(upstream)
            self.reset()
        finally:
            upstream.close()

    def _request(self, upstream: http.client.HTTPConnection) -> None:
        upstream.putrequest(self.command, self.path, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _HOPS and not (self.drops_range and name.lower() == "range"):
                upstream.putheader(name, value)
        upstream.endheaders()
        length = int(self.headers.get("Content-Length", 0))
        allowed = length if self.cut_request is None else int(length * self.cut_request)
        left = allowed
        while left and (piece := self.rfile.read(min(_PIECE, left))):
            upstream.send(piece)
            left -= len(piece)
        if left or self.cut_request is not None:
            raise ConnectionResetError

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        length = answer.length or 0
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name == "Location" and self.server.signature:
                self.send_header(name, _extended(value, self.server.signature))
            elif name.lower() not in _HOPS:
                self.send_header(name, value)
        self.end_headers()
        left = length if self.cut_answer is None else int(length * self.cut_answer)
        while left and (piece := answer.read(min(_PIECE, left))):
            if self.flips:
                piece, self.flips = bytes([piece[0] ^ 1]) + piece[1:], False
            self.wfile.write(piece)
            left -= len(piece)
        if self.truncates:
            self.close_connection = True  # a clean end, before all was sent
        elif self.cut_answer is not None:
            raise ConnectionResetError

    def reset(self) -> None:
        """RST, not FIN: what a NAT or a load balancer leaves behind."""
        self.wfile.flush()
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.rfile.close()
        self.connection.close()

    def reply(self, status: int, code: str, **headers: str) -> bool:
        """An answer of the proxy's own; the body of the request stays unread."""
        body = f'{{"errors":[{{"code":"{code}","message":"by the test"}}]}}'.encode()
        self.close_connection = True
        self.send_response_only(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, ValueError):
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except (OSError, ValueError):
            return  # it was reset

    def log_message(self, *_: Any) -> None:
        """Tests have their own output."""


def _end(upstream: http.client.HTTPConnection) -> None:
    """Only after the registry has seen that the request broke off does its client hear of it: what
    was kept is known then."""
    with suppress(OSError, AttributeError):  # it was closed before, or never opened
        upstream.sock.shutdown(socket.SHUT_WR)
        while upstream.sock.recv(_PIECE):
            pass


def _extended(location: str, query: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}{query}"


Act = Callable[[Exchange], bool]  # True: it has answered


def reset_answer(part: float) -> Act:
    def act(exchange: Exchange) -> bool:
        exchange.cut_answer = part
        return False

    return act


def reset_request(part: float) -> Act:
    def act(exchange: Exchange) -> bool:
        exchange.cut_request = part
        return False

    return act


def truncate(part: float) -> Act:
    def act(exchange: Exchange) -> bool:
        exchange.cut_answer, exchange.truncates = part, True
        return False

    return act


def flip(exchange: Exchange) -> bool:
    exchange.flips = True
    return False


def ignore_range(exchange: Exchange) -> bool:
    exchange.drops_range = True
    return False


def answer(status: int, code: str = "UNKNOWN", **headers: str) -> Act:
    return lambda exchange: exchange.reply(status, code, **headers)


def redirect(host: str, signature: str = "X-Signature=let-me-in") -> Act:
    """To object storage: another host, and the query that lets one in."""
    return lambda e: e.reply(307, "", Location=f"http://{host}{e.path}?{signature}")


def stall(exchange: Exchange) -> bool:
    """Nothing at all, until the proxy ends."""
    exchange.server.ended.wait(60)
    exchange.close_connection = True
    return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, upstream: str, signature: str) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.upstream, self.signature = upstream, signature
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.lock = threading.Lock()
        self.ended = threading.Event()


class FaultProxy:
    """`seen` are the requests with their headers, in the order in which they came. `signature` is
    added to the query of every Location, as of uploads that let in whoever knows it. With `tls` it
    is HTTPS that it speaks."""

    def __init__(
        self, upstream: str, *, signature: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self._server = _Server(upstream, signature)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def faults(self) -> list[Fault]:
        return self._server.faults

    @faults.setter
    def faults(self, faults: list[Fault]) -> None:
        self._server.faults = faults

    @property
    def seen(self) -> list[tuple[str, dict[str, str]]]:
        return self._server.seen

    def asked(self, method: str, part: str) -> list[str]:
        return [r for r, _ in self.seen if r.startswith(f"{method} ") and part in r]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
