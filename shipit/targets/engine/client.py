"""The Docker Engine API (docs.docker.com/reference/api/engine), as far as shipit uses it."""

import http.client
import json
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from shipit.errors import PreconditionError, RemoteError
from shipit.targets.engine.address import Address
from shipit.targets.engine.transport import Connection

# The newest API that this client was read against; an older engine is asked in its own version.
_NEWEST = (1, 51)
_CONNECT = 20.0  # seconds for an answer to the first request, ssh's handshake included
_REQUEST = 60.0  # seconds for any other answer
# Clocks nearer than this count as one: HTTP's Date header has whole seconds.
_SAME_CLOCK = 2.0


class Engine:
    """One engine, over one kept connection; streams have their own. Not for several threads."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._kept: Connection | None = None
        self.version = ""
        self._skew = 0.0

    def get(self, path: str, **query: Any) -> Any:
        return self._json("GET", path, query, None, _REQUEST)

    def post(self, path: str, body: Any = None, *, deadline: float = _REQUEST, **query: Any) -> Any:
        return self._json("POST", path, query, body, deadline)

    def delete(self, path: str, **query: Any) -> Any:
        return self._json("DELETE", path, query, None, _REQUEST)

    def now(self) -> float:
        """The engine's clock, in seconds since the epoch."""
        self._negotiate()
        return time.time() + self._skew

    def stream(self, path: str, *, silence: float | None, **query: Any) -> Iterator[bytes]:
        """An answer's body as it comes. Raises RemoteError after `silence` seconds without a byte,
        and for a connection that breaks."""
        self._negotiate()
        connection = Connection(self.address, silence)
        try:
            answer = self._ask(connection, "GET", self._path(path, query), None)
            while chunk := answer.read1(65536):
                yield chunk
        except http.client.IncompleteRead:
            return  # the engine went away, and with it what it was saying
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(f"GET {path}", error) from None
        finally:
            connection.close()

    def close(self) -> None:
        if self._kept:
            self._kept.close()
            self._kept = None

    def __del__(self) -> None:
        # Targets have no end of their own: the connection goes with whoever asked.
        self.close()

    def _json(self, method: str, path: str, query: dict[str, Any], body: Any, wait: float) -> Any:
        self._negotiate()
        if self._kept and self._kept.sock:
            self._kept.sock.settimeout(wait)
        return self._decoded(method, self._path(path, query), body)

    def _path(self, path: str, query: dict[str, Any]) -> str:
        words = {k: v if isinstance(v, str | int) else json.dumps(v) for k, v in query.items()}
        return f"/v{self.version}{path}" + (f"?{urlencode(words)}" if words else "")

    def _negotiate(self) -> None:
        """The first request: is there an engine, and which version does it speak."""
        if self.version:
            return
        self._kept = Connection(self.address, _CONNECT)
        try:
            answer = self._ask(self._kept, "GET", "/_ping", None)
            answer.read()
        except (OSError, http.client.HTTPException, RemoteError) as error:
            refused = self._kept
            self.close()
            raise _unreachable(self.address, refused.last_words, error) from None
        self.version = _lower(answer.headers.get("Api-Version", "1.24"))
        self._skew = _skew(answer.headers.get("Date", ""))

    def _decoded(self, method: str, path: str, body: Any) -> Any:
        # The engine may have closed a kept connection in the meantime: one new one is tried.
        try:
            return self._once(method, path, body)
        except (ConnectionError, http.client.HTTPException):
            self.close()
        try:
            return self._once(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._silent(f"{method} {path}", error) from None

    def _once(self, method: str, path: str, body: Any) -> Any:
        self._kept = connection = self._kept or Connection(self.address, _REQUEST)
        try:
            content = self._ask(connection, method, path, body).read()
        except TimeoutError as error:
            self.close()
            raise self._silent(f"{method} {path}", error) from None
        return json.loads(content) if content.strip() else None

    def _silent(self, request: str, error: Exception) -> RemoteError:
        return RemoteError(
            f"the Docker engine at {self.address} does not answer",
            _why(error),
            request=request,
            temporary=True,
        )

    def _ask(
        self, connection: Connection, method: str, path: str, body: Any
    ) -> http.client.HTTPResponse:
        headers = {"Host": "docker"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body)
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        if answer.status >= 400:
            raise _refused(f"{method} {path}", answer.status, answer.read())
        return answer


def _refused(request: str, status: int, body: bytes) -> RemoteError:
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        message = body.decode(errors="replace").strip() or f"HTTP {status}"
    return RemoteError(
        f"the Docker engine refuses: {message}",
        request=request,
        status=status,
        reasons=(message,),
        body=body,
        temporary=status >= 500,
    )


def _lower(version: str) -> str:
    major, _, minor = version.partition(".")
    return ".".join(str(n) for n in min(_NEWEST, (int(major), int(minor))))


def _skew(date: str) -> float:
    """How far the engine's clock is ahead of ours, in seconds; 0 where it cannot be told."""
    try:
        skew = parsedate_to_datetime(date).timestamp() - time.time()
    except ValueError:
        return 0.0
    return skew if abs(skew) > _SAME_CLOCK else 0.0


def _unreachable(address: Address, words: str, error: Exception) -> PreconditionError:
    return PreconditionError(
        f"no Docker engine answers at {address}",
        words or _why(error),
        _NEXT.get(type(error), _NEXT[Exception]).format(address=address.url),
    )


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)


_NEXT = {
    PermissionError: "join the group docker (`sudo usermod -aG docker $USER`, then log in again)",
    Exception: "start it (`sudo systemctl start docker`, or Docker Desktop), or set `host` or "
    "`context` under the target in shipit.yaml",
}
