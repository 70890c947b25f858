"""An HTTP server on loopback that answers as it is told."""

import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

from shipit.model.pipeline import Verification


class Site:
    """`status` and `body` are what it answers to a GET; `endless`, again and again."""

    def __init__(self) -> None:
        site = self
        self.status, self.body = 200, "hello"
        self.endless = False

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = site.body.encode()
                self.send_response(site.status)
                if not site.endless:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                with suppress(OSError):  # until its reader has gone
                    while site.endless:
                        self.wfile.write(content)
                        time.sleep(0.01)

            def log_message(self, *words: object) -> None:
                """Quietly."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    def check(self, **more: object) -> Verification:
        """It must answer 200 at once."""
        address = f"http://127.0.0.1:{self.server.server_port}/healthz"
        return Verification(**{"http": address, "timeout": "300ms", **more})  # type: ignore[arg-type]
