"""One connection to the embedded registry: HTTP/1.1, kept alive, each request given to a route."""

import socket
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from shipit.model import codec
from shipit.registry.embedded import address, routes
from shipit.registry.embedded.answers import Refused
from shipit.registry.embedded.wire import ChunkedBody, CountedBody

if TYPE_CHECKING:
    from shipit.registry.embedded.server import Server

_IDLE = 60.0  # seconds without a byte after which a connection is given up
_DRAINED = 1024 * 1024  # an unread body up to this size is read, so that the connection lives on


class Handler(BaseHTTPRequestHandler):
    """`server`, `path`, `query` and `body` are what routes work with."""

    server: "Server"
    protocol_version = "HTTP/1.1"
    server_version = "shipit-registry"
    sys_version = ""
    timeout = _IDLE
    rbufsize = 64 * 1024
    disable_nagle_algorithm = True

    def finish(self) -> None:
        self.server.disconnected(self.connection)
        super().finish()

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def parse_request(self) -> bool:
        """Every method goes to `_serve`: what is not allowed is a route's matter."""
        self.server.begin(self.connection)
        if not super().parse_request():
            return False
        if self.command.isalpha():
            setattr(self, f"do_{self.command}", self._serve)
        return True

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            self.body = self._open_body()
            intercept = self.server.intercept
            if intercept is None or not intercept(self):
                routes.serve(self, parts.path)
            self._drain()
        except Refused as refused:
            self.refuse(refused)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except OSError as error:
            self.refuse(Refused(500, "UNKNOWN", f"the registry's folder: {error.strerror}"))
        finally:
            if not self.server.end(self.connection):
                self.close_connection = True

    def _open_body(self) -> CountedBody | ChunkedBody:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return ChunkedBody(self.rfile)  # type: ignore[arg-type]
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit():
            self.close_connection = True
            raise Refused(400, "SIZE_INVALID", f"Content-Length: {length}")
        return CountedBody(self.rfile, int(length))  # type: ignore[arg-type]

    def _drain(self) -> None:
        """Read what a route left of the body, or give the connection up."""
        buffer = memoryview(bytearray(64 * 1024))
        for _ in range(_DRAINED // len(buffer)):
            if not self.body.left or not self.body.readinto(buffer):
                return
        self.close_connection = True

    # What routes answer with

    def answer(
        self,
        status: int,
        content: bytes = b"",
        *,
        media_type: str = "",
        headers: Mapping[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        """The head, and `content` unless the method is HEAD. `length` where no content is given."""
        self.send_response(status)
        self.send_header(address.HEADER, self.server.identity.id)
        self.send_header("Docker-Distribution-API-Version", "registry/2.0")
        if media_type:
            self.send_header("Content-Type", media_type)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if content and self.command != "HEAD":
            self.wfile.write(content)

    def answer_json(
        self, status: int, value: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        self.answer(status, codec.encode(value), media_type="application/json", headers=headers)

    def answer_file(
        self, path: Path, *, start: int, length: int, status: int, headers: Mapping[str, str]
    ) -> None:
        """Part of a file, from the page cache to the socket without passing through Python."""
        with path.open("rb") as file:
            self.answer(
                status, media_type="application/octet-stream", headers=headers, length=length
            )
            if self.command != "HEAD" and length:
                self.connection.sendfile(file, start, length)

    def refuse(self, refused: Refused) -> None:
        """An error ends the connection when the request's body was not read to its end."""
        try:
            self._drain()
        except (AttributeError, ConnectionError, TimeoutError, Refused):
            self.close_connection = True
        try:
            self.answer(
                refused.status,
                refused.body(),
                media_type="application/json",
                headers=refused.headers,
            )
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's
        """Requests are not shipit's output."""


def abort(connection: socket.socket) -> None:
    """End both directions, so that a thread that waits for the peer wakes up."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the peer was faster
