"""A cloud's door to a control plane: TLS of its own, the cloud's tokens, and the API server behind.

with CloudDoor(tmp_path, plane.server, plane.tls(), judge=google.judge) as door:
    door.address, door.ca, door.let_in

Each connection is judged by its first request; what follows goes through as it is, watches and
WebSockets too. The API server sees the client certificate of `tls`.
"""

import json
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.fakes.front_door import NAME, Authority

_CHUNK = 64 * 1024


class CloudDoor:
    """`judge` turns an Authorization header's value into a user, "" for nobody."""

    def __init__(
        self, folder: Path, server: str, tls: ssl.SSLContext, judge: Callable[[str], str]
    ) -> None:
        authority = Authority()
        self.ca = authority.pem
        self.judge = judge
        self.let_in: list[str] = []
        self.sent_away = 0
        self._behind, self._tls = urlsplit(server), tls
        certificate, key = authority.sign(NAME, "127.0.0.1")
        path = folder / "cloud.pem"
        path.write_bytes(certificate + key)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(path)
        handler = type("Handler", (_Handler,), {"door": self})
        socketserver.ThreadingTCPServer.daemon_threads = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.block_on_close = False

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self, connection: socket.socket) -> None:
        with self._context.wrap_socket(connection, server_side=True) as near:
            head = _head(near)
            if not head:
                return
            user = self.judge(_authorization(head))
            if not user:
                self.sent_away += 1
                near.sendall(_UNAUTHORIZED)
                return
            self.let_in.append(user)
            address = (self._behind.hostname or "", self._behind.port or 443)
            with (
                socket.create_connection(address, timeout=10) as raw,
                self._tls.wrap_socket(raw, server_hostname=address[0]) as far,
            ):
                far.settimeout(None)
                far.sendall(head)
                _pass_on(near, far)


def _head(near: ssl.SSLSocket) -> bytes:
    held = b""
    while b"\r\n\r\n" not in held:
        piece = near.recv(_CHUNK)
        if not piece:
            return b""
        held += piece
    return held


def _authorization(head: bytes) -> str:
    for line in head.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "authorization":
            return value.strip()
    return ""


def _pass_on(near: ssl.SSLSocket, far: ssl.SSLSocket) -> None:
    while True:
        ready: list[ssl.SSLSocket] = [one for one in (near, far) if one.pending()]
        for one in ready or select.select([near, far], [], [])[0]:
            data = one.recv(_CHUNK)
            if not data:
                return
            (far if one is near else near).sendall(data)


_STATUS = json.dumps(
    {"kind": "Status", "status": "Failure", "message": "Unauthorized", "code": 401}
)
_UNAUTHORIZED = (
    "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nConnection: close\r\n"
    f"Content-Length: {len(_STATUS)}\r\n\r\n{_STATUS}"
).encode()


class _Handler(socketserver.BaseRequestHandler):
    door: Any

    def handle(self) -> None:
        try:
            self.door.serve(self.request)
        except OSError:
            return
