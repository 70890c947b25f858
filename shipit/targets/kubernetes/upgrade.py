"""From a request to a WebSocket: the handshake of RFC 6455, section 4, with the API server."""

import base64
import hashlib
import http.client
import os
import socket
from collections.abc import Mapping, Sequence
from email.parser import BytesHeaderParser
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import msgspec

from shipit.errors import PreconditionError, ShipitError
from shipit.targets.kubernetes import refusals
from shipit.targets.kubernetes.connection import Call, Connection
from shipit.targets.kubernetes.reach.access import Access
from shipit.targets.kubernetes.websocket import Session

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_DEADLINE = 35.0  # seconds for one step: the server gives a webhook 30 at most
_CHUNK = 64 * 1024
_LARGEST = 1024 * 1024  # bytes of an answer that is no handshake


class Answer(msgspec.Struct, frozen=True):
    """`rest` is what came behind the headers."""

    status: int
    headers: Mapping[str, str]
    rest: bytes


def open_session(connection: Connection, call: Call, protocols: Sequence[str]) -> Session:
    """Raises PreconditionError for credentials, RemoteError for all else that the server says."""
    for fresh in (False, True):  # a token may have ended a moment ago
        opened = _connected(connection.access, call)
        try:
            key = base64.b64encode(os.urandom(16))
            answer = _asked(opened, _request(connection, call, protocols, key, fresh=fresh))
            if answer.status == 101 and answer.headers.get("Sec-WebSocket-Accept") == _proof(key):
                protocol = answer.headers.get("Sec-WebSocket-Protocol")
                return Session(opened, protocol, rest=answer.rest, title=call.title)
            if answer.status == 401 and not fresh:
                opened.close()
                continue
            raise _refusal(connection.access, call, answer, _body(opened, answer))
        except OSError as error:
            opened.close()
            raise _unreached(connection.access, call, error) from error
        except ShipitError:
            opened.close()
            raise
    raise AssertionError  # pragma: no cover - the second time round returns or raises


def _proof(key: bytes) -> str:
    return base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324 - section 4.2.2


def _request(
    connection: Connection, call: Call, protocols: Sequence[str], key: bytes, *, fresh: bool
) -> bytes:
    server = urlsplit(connection.access.server)
    headers = {
        "Host": server.netloc,
        **connection.headers(fresh=fresh),
        "Accept": "*/*",  # the API server holds it against what a WebSocket is not
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key.decode(),
        "Sec-WebSocket-Protocol": ", ".join(protocols),
    }
    lines = [f"{call.method} {server.path}{call.url} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def _connected(access: Access, call: Call) -> socket.socket:
    """Through the proxy where there is one, and TLS on top."""
    server = urlsplit(access.server)
    host, port = server.hostname or "", server.port or (443 if server.scheme == "https" else 80)
    way = urlsplit(access.proxy or _proxy_of(server.scheme, server.netloc))
    if way.scheme not in ("", "http"):
        raise PreconditionError(
            f"exec does not go through a proxy that is spoken to by {way.scheme}",
            f"{access.name} is behind {way.scheme}://{way.hostname}",
            "name one that is spoken to by http, or run shipit where none is needed",
        )
    try:
        opened = http.client.HTTPConnection(way.hostname or host, way.port or port, _DEADLINE)
        if way.hostname:
            opened.set_tunnel(host, port)
        opened.connect()
        if server.scheme == "https":
            return access.tls().wrap_socket(opened.sock, server_hostname=access.server_name or host)
    except OSError as error:
        raise _unreached(access, call, error) from error
    plain: socket.socket = opened.sock
    return plain


def _proxy_of(scheme: str, netloc: str) -> str:
    """HTTPS_PROXY and NO_PROXY, as client-go honours them."""
    return "" if proxy_bypass(netloc) else getproxies().get(scheme, "")


def _asked(opened: socket.socket, request: bytes) -> Answer:
    opened.sendall(request)
    held = b""
    while b"\r\n\r\n" not in held:
        piece = opened.recv(_CHUNK)
        if not piece or len(held) > _LARGEST:
            raise ConnectionResetError("the connection ended before an answer")
        held += piece
    head, _, rest = held.partition(b"\r\n\r\n")
    line, _, fields = head.partition(b"\r\n")
    word = line.split(b" ")[1:2]
    if not word or not word[0].isdigit():
        raise ConnectionResetError("what answers is no HTTP server")
    headers = BytesHeaderParser().parsebytes(fields)
    return Answer(int(word[0]), dict(headers.items()), rest)


def _body(opened: socket.socket, answer: Answer) -> bytes:
    """Of a refusal, which the server gives its length."""
    length = min(int(answer.headers.get("Content-Length") or 0), _LARGEST)
    body = answer.rest
    while len(body) < length:
        piece = opened.recv(_CHUNK)
        if not piece:
            break
        body += piece
    return body


def _refusal(access: Access, call: Call, answer: Answer, body: bytes) -> ShipitError:
    if answer.status < 400:
        return refusals.refused(
            answer.status,
            answer.headers,
            b"what is between us and it takes no WebSocket",
            call.title,
        )
    return refusals.refused(answer.status, answer.headers, body, call.title, access.refused)


def _unreached(access: Access, call: Call, error: OSError) -> ShipitError:
    return refusals.unreached(call.title, access.name, str(error), access.unreached)
