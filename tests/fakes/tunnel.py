"""A proxy that is spoken to by CONNECT (RFC 9110, section 9.3.6).

with tunnel() as (address, asked):
    asked        # the hosts and ports that clients asked for
"""

import http.server
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def tunnel() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            host, _, port = self.path.partition(":")
            with socket.create_connection((host, int(port)), timeout=10) as far:
                self.send_response(200)
                self.end_headers()
                _pass_on(self.connection, far)
            self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def _pass_on(near: socket.socket, far: socket.socket) -> None:
    while True:
        for ready in select.select([near, far], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            (far if ready is near else near).sendall(data)
