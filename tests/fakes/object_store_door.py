"""A door to an object store that asks before it lets a request through, and remembers all.

with opened("http://127.0.0.1:9000") as door:
    door.lets = lambda asked: ...
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

_REFUSAL = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class Asked(NamedTuple):
    """`key` is "" for what is asked of the bucket itself. Headers' names are in lower case."""

    method: str
    bucket: str
    key: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


class Door(ThreadingHTTPServer):
    """`lets` a request through or says 403; of what is not there, `tells` says 404 or 403."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind.removeprefix("http://")
        self.asked: list[Asked] = []
        self.refused: list[Asked] = []
        self.lets: Callable[[Asked], bool] = lambda _: True
        self.tells: Callable[[Asked], bool] = lambda _: True

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def holds(self, bucket: str, key: str) -> bool:
        """Whether the object is there now."""
        return self.passed("GET", f"/{bucket}/{key}", b"", {})[0] == 200

    def passed(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(self.behind, timeout=30)
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        return answer.status, answer.getheaders(), said


@contextmanager
def opened(behind: str) -> Iterator[Door]:
    door = Door(behind)
    thread = threading.Thread(target=door.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield door
    finally:
        door.shutdown()
        door.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Door

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        asked = self._asked(body)
        self.server.asked.append(asked)
        if not self.server.lets(asked):
            self.server.refused.append(asked)
            self._answer(403, [], _REFUSAL)
            return
        status, headers, said = self.server.passed(
            self.command, self.path, body, dict(self.headers)
        )
        if status == 404 and asked.key and not self.server.tells(asked):
            self.server.refused.append(asked)
            self._answer(403, [], _REFUSAL)
            return
        self._answer(status, headers, said)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815  http.server's names

    def _asked(self, body: bytes) -> Asked:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = parse_qs(parts.query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Asked(self.command, bucket, key, query, headers, body)

    def _answer(self, status: int, headers: list[tuple[str, str]], said: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The log is `asked`."""
