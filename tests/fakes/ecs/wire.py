"""JSON 1.1 over HTTP on loopback, as AWS's SDKs speak it."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.ecs import shapes
from tests.fakes.ecs.errors import EcsError

Answer = Callable[[str, dict[str, Any]], dict[str, Any] | None]
_TYPE = "application/x-amz-json-1.1"


class Wire(ThreadingHTTPServer):
    """`answer` gets an operation and its parameters; None hangs up on the client."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = -1  # one packet an answer
    disable_nagle_algorithm = True
    server: Wire

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            answer = self._answer(body)
        except EcsError as error:
            self._send(error.status, {"__type": error.code, "message": error.message})
            return
        if answer is None:
            self.close_connection = True
        else:
            self._send(200, answer)

    def _answer(self, body: bytes) -> dict[str, Any] | None:
        if "Authorization" not in self.headers:
            raise EcsError("MissingAuthenticationTokenException", "Missing Authentication Token")
        target = self.headers.get("X-Amz-Target", "")
        operation = target.removeprefix(shapes.PREFIX)
        if operation == target or not shapes.knows(operation):
            raise EcsError("UnknownOperationException", f"unknown operation {target}")
        try:
            request = json.loads(body or b"{}")
        except ValueError as error:
            raise EcsError("SerializationException", str(error)) from error
        return self.server.answer(operation, request)

    def _send(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", _TYPE)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("x-amzn-RequestId", "00000000-0000-4000-8000-000000000000")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The log is `sim.requests`."""
