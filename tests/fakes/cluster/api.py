"""A plain HTTPS client of an API server: the fakes' own, and tests look behind shipit with it."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

Json = dict[str, Any]
AGENT = "tests"
APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"
_DEADLINE = 30.0  # seconds for one answer


class RefusedError(AssertionError):
    """An answer that is an error, with its HTTP status."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status


class Api:
    """Each thread keeps a connection of its own. `authorization` is the header's value, if any."""

    def __init__(self, server: str, tls: ssl.SSLContext, authorization: str = "") -> None:
        self._address = urlsplit(server).netloc
        self._tls = tls
        self._headers = {"User-Agent": AGENT}
        if authorization:
            self._headers["Authorization"] = authorization
        self._own = threading.local()
        self._opened: list[HTTPSConnection] = []
        self._watching: set[HTTPSConnection] = set()

    def close(self) -> None:
        for connection in self._opened:
            connection.close()

    def get(self, path: str, **query: str) -> Json:
        return self.ask("GET", path, None, **query)

    def post(self, path: str, body: Json) -> Json:
        return self.ask("POST", path, body)

    def delete(self, path: str, **query: str) -> Json:
        return self.ask("DELETE", path, None, **query)

    def apply(self, path: str, body: Json, **query: str) -> Json:
        """Server-side apply, as field manager `test`."""
        query = {"fieldManager": "test", "force": "true", **query}
        return self.ask("PATCH", path, body, content=APPLY, **query)

    def patch(self, path: str, body: Json) -> Json:
        """A strategic merge, as the kubelet and the controllers send."""
        return self.ask("PATCH", path, body, content=STRATEGIC)

    def text(self, path: str, **query: str) -> str:
        return self._answer("GET", path, None, "", query).decode()

    def ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        content: str = "application/json",
        **query: str,
    ) -> Json:
        """Raises RefusedError for anything but a 2xx."""
        found: Json = json.loads(self._answer(method, path, body, content, query))
        return found

    def interrupt(self) -> None:
        """Ends the watches that are open."""
        for connection in [c for c in self._watching if c.sock]:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def watch(self, path: str, *, timeout: int = 300, **query: str) -> Iterator[Json]:
        """Events (`type`, `object`) from an initial list on, until the server ends it."""
        asked = {"watch": "true", "timeoutSeconds": str(timeout), **query}
        connection = HTTPSConnection(self._address, context=self._tls, timeout=timeout + 30)
        try:
            self._watching.add(connection)
            connection.request("GET", f"{path}?{urlencode(asked)}", headers=self._headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise RefusedError(answer.status, answer.read().decode())
            for line in answer:
                yield json.loads(line)
        finally:
            self._watching.discard(connection)
            connection.close()

    def _answer(
        self, method: str, path: str, body: Json | None, content: str, query: dict[str, str]
    ) -> bytes:
        target = f"{path}?{urlencode(query)}" if query else path
        sent = None if body is None else json.dumps(body)
        headers = self._headers | ({"Content-Type": content} if sent else {})
        for last in (False, True):  # a kept connection may have been closed by the other side
            connection = self._connection()
            try:
                connection.request(method, target, sent, headers)
                answer = connection.getresponse()
                said = answer.read()
                break
            except (HTTPException, OSError):
                connection.close()
                if last:
                    raise
        if answer.status >= 300:
            raise RefusedError(answer.status, said.decode())
        return said

    def _connection(self) -> HTTPSConnection:
        found: HTTPSConnection | None = getattr(self._own, "connection", None)
        if found is None:
            found = HTTPSConnection(self._address, context=self._tls, timeout=_DEADLINE)
            self._own.connection = found
            self._opened.append(found)
        return found
