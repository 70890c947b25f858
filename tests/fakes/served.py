"""A server on loopback for as long as a block lasts."""

import threading
from http.server import HTTPServer
from typing import Self


class Served:
    """A fake whose `_server` answers in a thread."""

    _server: HTTPServer

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"
