"""A front door that speaks WebSocket too, by wsproto: not our own reading of RFC 6455.

with TalkingDoor(tmp_path) as door:
    door.talk = lambda talk: talk.say(talk.hear())
"""

import http.server
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
)

from tests.fakes.front_door import FrontDoor, _handler


class Talk:
    """The server's side of one WebSocket."""

    def __init__(self, connection: socket.socket, session: WSConnection, request: Request) -> None:
        self.request = request
        self.closed: CloseConnection | None = None
        self._socket, self._session = connection, session
        self._messages = self._hear_all()

    def say(self, data: bytes, *, pieces: int = 1) -> None:
        size = max(len(data) // pieces, 1)
        parts = [data[n : n + size] for n in range(0, len(data), size)] or [b""]
        for number, part in enumerate(parts, 1):
            self.send(BytesMessage(data=part, message_finished=number == len(parts)))

    def send(self, event: Event) -> None:
        self._socket.sendall(self._session.send(event))

    def raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def hear(self) -> bytes:
        """The next message; b"" at the end."""
        return next(self._messages, b"")

    def _hear_all(self) -> Iterator[bytes]:
        held = b""
        while True:
            for event in self._session.events():
                if isinstance(event, BytesMessage):
                    held += bytes(event.data)
                    if event.message_finished:
                        yield held
                        held = b""
                elif isinstance(event, Ping):
                    self.send(event.response())
                    yield b"ping " + bytes(event.payload)
                elif isinstance(event, Pong):
                    yield b"pong " + bytes(event.payload)
                elif isinstance(event, CloseConnection):
                    self.closed = event
                    return
            data = self._socket.recv(65536)
            if not data:
                return
            self._session.receive_data(data)


class TalkingDoor(FrontDoor):
    """`talk` is held with every client that is let in; `refusal` is (status, body) instead."""

    def __init__(self, folder: Path, judge: Callable[[str], str] = lambda _: "ann") -> None:
        super().__init__(folder, judge)
        self.protocols: tuple[str, ...] = ("v5.channel.k8s.io",)
        self.talk: Callable[[Talk], Any] = lambda _: None
        self.talks: list[Talk] = []
        self.refusal: tuple[int, bytes] | None = None
        self._server.RequestHandlerClass = _talking(self)

    def hold(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        connection = handler.connection
        session = WSConnection(ConnectionType.SERVER)
        session.receive_data(_request(handler))
        request = next(e for e in session.events() if isinstance(e, Request))
        user = self.who(handler)
        if not user or self.refusal:
            status, body = self.refusal or (401, b'{"message": "Unauthorized", "code": 401}')
            length = [(b"Content-Length", str(len(body)).encode())]
            reject = RejectConnection(status_code=status, headers=length, has_body=True)
            connection.sendall(session.send(reject))
            connection.sendall(session.send(RejectData(data=body)))
            return
        offered = [p for p in self.protocols if p in request.subprotocols]
        accept = AcceptConnection(subprotocol=offered[0] if offered else None)
        connection.sendall(session.send(accept))
        talk = Talk(connection, session, request)
        self.talks.append(talk)
        self.talk(talk)


def _request(handler: http.server.BaseHTTPRequestHandler) -> bytes:
    """As it came: the standard library's server has read it already."""
    lines = [handler.requestline, *(f"{k}: {v}" for k, v in handler.headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def _talking(door: TalkingDoor) -> type[http.server.BaseHTTPRequestHandler]:
    plain: Any = _handler(door)

    class Handler(plain):  # type: ignore[misc]
        def do_GET(self) -> None:  # noqa: N802 - the standard library's name
            if self.headers.get("Upgrade"):
                self.close_connection = True
                door.hold(self)
            else:
                super().do_GET()

    return Handler
