"""An API server that answers what a test wrote down, over real HTTP: for its moods.

    with ScriptedApi() as api:
        api.on("GET /api/v1/namespaces/shop/pods", refuse(429, retry_after=3), items(pod))

What it does with objects is the real control plane's to show.
"""

import json
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

Json = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    status: int
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Whatever it says; with a `length` that is not its own it breaks off."""

    status: int
    body: bytes
    length: int = 0


@dataclass(frozen=True)
class Watched:
    """Lines of a watch; then it ends (`end`), breaks off in the middle of a line (`cut`), or stays
    open until the test is over (`stay`). `after`: not before that title was asked so often; `raw`
    comes after the lines as it is."""

    events: Sequence[Json] = ()
    then: str = "end"
    after: tuple[str, int] = ("", 0)
    raw: bytes = b""


@dataclass(frozen=True)
class Slammed:
    """The connection is closed without an answer."""


Answer = Reply | Page | Watched | Slammed


@dataclass(frozen=True)
class Request:
    title: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def items(*objects: Json, version: str = "1", more: str = "") -> Reply:
    return Reply(
        200, {"metadata": {"resourceVersion": version, "continue": more}, "items": objects}
    )


def refuse(status: int, message: str = "no", *, retry_after: int = 0, **said: Any) -> Reply:
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    return Reply(status, {"kind": "Status", "message": message, "code": status, **said}, headers)


def event(kind: str, name: str, version: str, **metadata: Any) -> Json:
    return {"type": kind, "object": named(name, version, **metadata)}


def named(name: str, version: str = "1", **metadata: Any) -> Json:
    return {"metadata": {"name": name, "uid": f"u-{name}", "resourceVersion": version, **metadata}}


def gone() -> Json:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    return {"type": "ERROR", "object": status}


class ScriptedApi:
    """`asked` are the requests so far. The last answer to a title is given again and again; a
    watch has `?watch` in its title."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.lock = threading.Lock()
        self.over = threading.Event()
        self._script: dict[str, list[Answer]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("H", (_Handler,), {"api": self}))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def on(self, title: str, *answers: Answer) -> None:
        self._script[title] = list(answers)

    def titles(self) -> list[str]:
        return [request.title for request in self.asked]

    def take(self, request: Request) -> Answer:
        with self.lock:
            self.asked.append(request)
            answers = self._script.get(request.title)
            if not answers:
                return refuse(404, f"nothing is written down for {request.title}")
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    api: ScriptedApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query))
        watch = "?watch" if query.get("watch") else ""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        title = f"{self.command} {address.path}{watch}"
        answer = self.api.take(Request(title, query, dict(self.headers), body))
        if isinstance(answer, Reply):
            self._reply(answer)
        elif isinstance(answer, Page):
            self._page(answer)
        elif isinstance(answer, Watched):
            self._watched(answer)
        else:
            self._slam()

    def _reply(self, answer: Reply) -> None:
        body = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _page(self, answer: Page) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Length", str(answer.length or len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        if answer.length:
            self._slam()

    def _watched(self, answer: Watched) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        while self.api.titles().count(answer.after[0]) < answer.after[1]:
            if self.api.over.wait(0.01):
                return
        for one in answer.events:
            self._chunk(json.dumps(one).encode() + b"\n")
        if answer.raw:
            self._chunk(answer.raw)
        if answer.then == "cut":
            self._chunk(b'{"type": "ADDED", "obj')
            self._slam()
        elif answer.then == "stay":
            self.api.over.wait(30)
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.flush()

    def _slam(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args: Any) -> None:
        pass
