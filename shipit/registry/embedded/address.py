"""Where the registry of a folder listens: one stable port, shared by every process that serves it.

Image references contain the address, so it stays the same from one command to the next: the port
is derived from the folder's path, kept in registry.json, and given up only when another program has
it.
Processes that serve one folder at once bind the port together (SO_REUSEPORT).
"""

import http.client
import socket
import uuid
import zlib
from pathlib import Path

import msgspec

from shipit.errors import PreconditionError
from shipit.model import codec
from shipit.registry.embedded.layout import Layout

HEADER = "Shipit-Registry"  # carries the folder's id in every answer
FIRST, COUNT = 20000, 10000
_PROBE_DEADLINE = 2.0  # seconds
_TRIES = 200


class Identity(msgspec.Struct, frozen=True):
    """registry.json: who this folder's registry is. `port` is 0 until it has run once."""

    id: str
    port: int = 0


def read_identity(layout: Layout) -> Identity:
    """The folder's identity, made at the first call. The layout's lock is held by the caller."""
    try:
        return codec.decode((layout.folder / "registry.json").read_bytes(), Identity)
    except (FileNotFoundError, ValueError):
        identity = Identity(uuid.uuid4().hex)
        _save(layout, identity)
        return identity


def _save(layout: Layout, identity: Identity) -> None:
    layout.replace("registry.json", codec.encode(identity))


def listen(layout: Layout, host: str, port: int | None) -> tuple[socket.socket, Identity]:
    """A listening socket: on `port` (0: any free one), or on the folder's own when it is None.

    Raises PreconditionError when no port is to be had.
    """
    with layout.locked():
        identity = read_identity(layout)
        if port is not None:
            return _bind(host, port, shared=False), identity
        for candidate in _candidates(layout.folder, identity):
            holder = _holder(host, candidate)
            if holder not in ("", identity.id):
                continue
            try:
                listener = _bind(host, candidate, shared=True)
            except PreconditionError:
                continue  # held by a program that does not answer HTTP, or by another user
            if candidate != identity.port and holder == "":
                _save(layout, Identity(identity.id, candidate))
            return listener, identity
    raise PreconditionError(
        f"no port is free for the embedded registry in {layout.folder}",
        f"{_TRIES} ports between {FIRST} and {FIRST + COUNT - 1} on {host} were tried",
        "end the programs that hold them, or name a registry in shipit.yaml (`registry:`)",
    )


def _candidates(folder: Path, identity: Identity) -> list[int]:
    start = zlib.crc32(str(folder.resolve()).encode()) % COUNT
    derived = [FIRST + (start + i) % COUNT for i in range(_TRIES)]
    return list(dict.fromkeys([identity.port, *derived])) if identity.port else derived


def _holder(host: str, port: int) -> str:
    """Who has the port: "" for nobody, a registry's id, or "another program"."""
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_DEADLINE)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().headers.get(HEADER) or "another program"
    except ConnectionRefusedError:
        return ""
    except (OSError, http.client.HTTPException):
        return "another program"
    finally:
        connection.close()


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PreconditionError(
            f"the embedded registry cannot listen on {host}:{port}", str(error)
        ) from error
    return listener
