"""A proxy before the real API server that does what load balancers, restarts and overload do.

    with ApiProxy(tmp_path, plane) as proxy:
        proxy.faults = [Fault(answer(429, retry_after=1), method="PATCH", part="/deployments/")]
        proxy.kubeconfig("shop", tmp_path)     # the way through it

It speaks HTTP/1.1 over TLS of its own, and is the administrator to the API server. Each fault is
used up by as many requests as it says.
"""

import http.client
import json
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.fakes.cluster.flags import LOOPBACK
from tests.fakes.cluster.plane import Plane
from tests.fakes.front_door import NAME, Authority

Json = dict[str, Any]
_HOPS = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length"})
_DEADLINE = 330.0  # seconds without a word: longer than any watch


@dataclass
class Fault:
    """What is done to the first `count` requests with this method and part of "path?query", and
    without `unlike` in it. `met` are those that it was done to."""

    act: "Act"
    method: str = ""
    part: str = ""
    count: int = 1
    unlike: str = ""
    met: list[str] = field(default_factory=list, init=False)

    def takes(self, exchange: "Exchange") -> bool:
        if self.method not in ("", exchange.command) or self.part not in exchange.path:
            return False
        if (self.unlike and self.unlike in exchange.path) or len(self.met) >= self.count:
            return False
        self.met.append(exchange.title)
        return True


class Exchange(BaseHTTPRequestHandler):
    """One request on its way. Acts answer in its place, or say how its answer is passed on."""

    server: "_Server"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    lines: int | None = None  # of a watch that are passed on; then it is over
    last: bytes = b""  # what comes after them
    breaks = False  # and whether it ends then as it should
    body: bytes = b""
    far: socket.socket

    @property
    def title(self) -> str:
        return f"{self.command} {self.path}"

    @property
    def is_watch(self) -> bool:
        return "watch=true" in self.path

    def relay(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.lines, self.last, self.breaks = None, b"", False
        with self.server.lock:
            self.server.seen.append(self.title)
            fault = next((f for f in self.server.faults if f.takes(self)), None)
        if fault is None or not fault.act(self):
            with self.asked() as found:
                self.passed_on(found)

    def __getattr__(self, name: str) -> Any:
        """`do_GET` and so on: every method is one."""
        if name.startswith("do_"):
            return self.relay
        raise AttributeError(name)

    def asked(self) -> http.client.HTTPResponse:
        """The API server's own answer."""
        upstream = http.client.HTTPSConnection(
            self.server.upstream, context=self.server.tls, timeout=_DEADLINE
        )
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOPS}
        headers["Connection"] = "close"
        upstream.request(self.command, self.path, self.body or None, headers)
        self.far = upstream.sock
        return upstream.getresponse()

    def done(self) -> None:
        """Asked, and nobody hears of it. A watch has no end to wait for."""
        if not self.is_watch:
            with self.asked() as found:
                found.read()

    def passed_on(self, found: http.client.HTTPResponse) -> None:
        self.send_response_only(found.status)
        for name, value in found.headers.items():
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        if self.is_watch and found.status == 200:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._watched(found)
            return
        content = found.read()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _watched(self, found: http.client.HTTPResponse) -> None:
        ends = (self.connection, self.far)
        with self.server.lock:
            self.server.watches.add(ends)
        try:
            for line in self._lines(found):
                self.chunk(line)
            self.chunk(self.last)
            if self.breaks:
                self.reset()
            else:
                self.wfile.write(b"0\r\n\r\n")
        finally:
            with self.server.lock:
                self.server.watches.discard(ends)

    def _lines(self, found: http.client.HTTPResponse) -> Iterator[bytes]:
        if self.lines == 0:
            return
        for number, line in enumerate(found, start=1):
            yield line
            if number == self.lines:
                return

    def chunk(self, piece: bytes) -> None:
        if piece:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def reply(self, status: int, body: Json, headers: dict[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response_only(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def reset(self) -> None:
        """RST, not FIN: what a NAT or a load balancer leaves behind."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.rfile.close()
        self.connection.close()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, ValueError, http.client.HTTPException):
            self.close_connection = True

    def finish(self) -> None:
        with suppress(OSError, ValueError):  # it was reset
            super().finish()

    def log_message(self, *_: Any) -> None:
        """Tests have their own output."""


Act = Callable[[Exchange], bool]  # True: it has answered


def answer(status: int, message: str = "by the test", *, retry_after: int = 0, **said: Any) -> Act:
    """Instead of the API server, which is not asked."""
    body = {"kind": "Status", "status": "Failure", "message": message, "code": status, **said}
    headers = {"Retry-After": str(retry_after)} if retry_after else {}

    def act(exchange: Exchange) -> bool:
        exchange.reply(status, body, headers)
        return True

    return act


def drop(exchange: Exchange) -> bool:
    """Before the API server has heard of it."""
    exchange.reset()
    return True


def lose(exchange: Exchange) -> bool:
    """The API server does it, and its answer never comes."""
    exchange.done()
    exchange.reset()
    return True


def garble(status: int, message: str) -> Act:
    """The API server does it, and what comes is this."""

    def act(exchange: Exchange) -> bool:
        exchange.done()
        return answer(status, message)(exchange)

    return act


def cut(lines: int = 0) -> Act:
    """A watch breaks off after so many lines, in the middle of one."""

    def act(exchange: Exchange) -> bool:
        exchange.lines, exchange.last = lines, b'{"type": "MODIFIED", "obj'
        exchange.breaks = True
        return False

    return act


def tell(code: int, message: str, lines: int = 0, **said: Any) -> Act:
    """A watch ends after so many lines with an error of the API server's own."""
    status = {"kind": "Status", "code": code, "message": message, **said}
    event = json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"

    def act(exchange: Exchange) -> bool:
        exchange.lines, exchange.last = lines, event
        return False

    return act


def meanwhile(does: Callable[[], object]) -> Act:
    """While it is on its way; then it goes on."""

    def act(_: Exchange) -> bool:
        does()
        return False

    return act


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, plane: Plane) -> None:
        super().__init__((LOOPBACK, 0), Exchange)
        self.upstream, self.tls = urlsplit(plane.server).netloc, plane.tls()
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        self.watches: set[tuple[socket.socket, socket.socket]] = set()
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle of the handshake is no news."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class ApiProxy:
    """`seen` are the requests, as "METHOD path?query", in the order in which they came."""

    def __init__(self, folder: Path, plane: Plane) -> None:
        authority = Authority()
        certificate, key = authority.sign(NAME, LOOPBACK)
        own = folder / "proxy.pem"
        own.write_bytes(certificate + key)
        self._ca = folder / "proxy-ca.pem"
        self._ca.write_bytes(authority.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own)
        self._server = _Server(plane)
        # A client that is slow to shake hands does not keep the next one waiting.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.address = f"https://{LOOPBACK}:{self._server.server_address[1]}"

    @property
    def faults(self) -> list[Fault]:
        return self._server.faults

    @faults.setter
    def faults(self, faults: list[Fault]) -> None:
        with self._server.lock:
            self._server.faults = faults

    @property
    def seen(self) -> list[str]:
        with self._server.lock:
            return list(self._server.seen)

    def drop_watches(self) -> int:
        """Those that are open break off; how many there were."""
        with self._server.lock:
            found = list(self._server.watches)
        for connection in (one for ends in found for one in ends):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        return len(found)

    def kubeconfig(self, namespace: str, folder: Path) -> Path:
        cluster = {"server": self.address, "certificate-authority": str(self._ca)}
        context = {"cluster": "test", "user": "test", "namespace": namespace}
        path = folder / "kubeconfig-through-the-proxy"
        written = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {}}],
            "contexts": [{"name": "test", "context": context}],
        }
        path.write_text(json.dumps(written))
        path.chmod(0o600)
        return path

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self.drop_watches()
        self._server.server_close()
