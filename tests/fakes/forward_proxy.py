"""A proxy as HTTPS_PROXY and HTTP_PROXY name it: CONNECT, and GET of whole URLs (RFC 9112, 3.2.2).

with ForwardProxy(user="ci:secret") as proxy:
    proxy.address, proxy.asked
"""

import base64
import http.client
import http.server
import socket
import threading
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.fakes.tunnel import _pass_on


class ForwardProxy:
    """`asked` are the hosts with their ports, or URLs, in order; with `user` (`name:password`) only
    for who says so."""

    def __init__(self, *, user: str = "") -> None:
        self.asked: list[str] = []
        self.expected = f"Basic {base64.b64encode(user.encode()).decode()}" if user else ""
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(proxy: ForwardProxy) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def _is_let_in(self) -> bool:
            self.close_connection = True
            proxy.asked.append(self.path)
            if self.headers.get("Proxy-Authorization", "") == proxy.expected:
                return True
            self.send_error(407)
            return False

        def do_CONNECT(self) -> None:
            if not self._is_let_in():
                return
            host, _, port = self.path.partition(":")
            with socket.create_connection((host, int(port)), timeout=10) as far:
                self.send_response(200)
                self.end_headers()
                _pass_on(self.connection, far)

        def do_GET(self) -> None:
            if not self._is_let_in():
                return
            parts = urlsplit(self.path)
            far = http.client.HTTPConnection(parts.netloc, timeout=10)
            far.request("GET", f"{parts.path}?{parts.query}")
            answer = far.getresponse()
            body = answer.read()
            far.close()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Tests have their own output."""

    return Handler
