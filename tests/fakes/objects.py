"""A small object server on loopback, which can be told to misbehave.

It speaks as much of S3's and GCS's XML protocols as obstore asks of a ledger's bucket: PUT (also
only if absent), GET, DELETE, list.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class Answer(NamedTuple):
    """What to say instead of obeying. `obey`: do as asked, and then say it. Status 0 hangs up."""

    status: int
    code: str = ""
    message: str = ""
    obey: bool = False


class ObjectServer(ThreadingHTTPServer):
    """`objects` by path, bucket first. `script`: answers to the next writes of log objects."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.script: deque[Answer] = deque()
        self.everywhere: Answer | None = None
        self.conditional = True
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    server = ObjectServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one segment, or each answer waits for a delayed ACK
    server: ObjectServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Quiet."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        path = unquote(address.path).strip("/")
        scripted = self._scripted(path)
        self.server.requests.append(f"{self.command} {path}")
        if scripted and scripted.obey:
            self._obey(path, address.query, body)
        if scripted and scripted.status == 0:
            self.close_connection = True
            return
        if scripted:
            self._error(scripted.status, scripted.code, scripted.message)
            return
        self._answer(*self._obey(path, address.query, body))

    do_GET = do_PUT = do_DELETE = do_POST = _handle  # noqa: N815  http.server's names

    def _scripted(self, path: str) -> Answer | None:
        if self.server.everywhere:
            return self.server.everywhere
        wanted = self.command == "PUT" and "/log/" in path and self.server.script
        return self.server.script.popleft() if wanted else None

    def _obey(self, path: str, query: str, body: bytes) -> tuple[int, bytes]:
        with self.server.lock:
            if self.command == "PUT":
                return self._put(path, body)
            if self.command == "DELETE":
                return (204, b"") if self.server.objects.pop(path, None) is not None else (404, b"")
            if self.command == "POST":
                return self._delete_many(path, body)
            if "list-type" in query:
                return 200, self._listing(path, parse_qs(query).get("prefix", [""])[0])
            found = self.server.objects.get(path)
            return (404, _error("NoSuchKey", "no such key")) if found is None else (200, found)

    def _put(self, path: str, body: bytes) -> tuple[int, bytes]:
        only_new = "*" in self.headers.get("If-None-Match", "") or (
            self.headers.get("x-goog-if-generation-match") == "0"
        )
        if only_new and self.server.conditional and path in self.server.objects:
            return 412, _error("PreconditionFailed", "it exists")
        self.server.objects[path] = body
        return 200, b""

    def _delete_many(self, bucket: str, body: bytes) -> tuple[int, bytes]:
        keys = [part.partition("</Key>")[0] for part in body.decode().split("<Key>")[1:]]
        for key in keys:
            self.server.objects.pop(f"{bucket}/{key}", None)
        deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        return 200, f"<DeleteResult>{deleted}</DeleteResult>".encode()

    def _listing(self, bucket: str, prefix: str) -> bytes:
        start = f"{bucket}/{prefix}"
        entries = "".join(
            f"<Contents><Key>{escape(path.removeprefix(f'{bucket}/'))}</Key>"
            f"<LastModified>2026-11-02T10:00:00.000Z</LastModified><ETag>&quot;x&quot;</ETag>"
            f"<Size>{len(content)}</Size></Contents>"
            for path, content in sorted(self.server.objects.items())
            if path.startswith(start)
        )
        whole = "<IsTruncated>false</IsTruncated>"
        return f"<ListBucketResult>{whole}{entries}</ListBucketResult>".encode()

    def _error(self, status: int, code: str, message: str) -> None:
        self._answer(status, _error(code, message))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", formatdate(usegmt=True))
        self.send_header("ETag", f'"{md5(body, usedforsecurity=False).hexdigest()}"')
        self.send_header("x-goog-generation", "1")
        self.end_headers()
        if status != 204:
            self.wfile.write(body)


def _error(code: str, message: str) -> bytes:
    """With the elements that must never be shown: what was signed, and the key's name."""
    secret = "<AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId><StringToSign>x</StringToSign>"
    return f"<Error><Code>{code}</Code><Message>{message}</Message>{secret}</Error>".encode()
