"""HTTP/1.1 connections that are kept, on http.client: bodies go by large buffers that are reused.

urllib3 gives neither the reads into a buffer nor the answer that comes before a request's end, and
takes as long to import as the rest of a copy takes.
"""

import http.client
import select
import socket
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from threading import Lock
from urllib.parse import SplitResult, urlsplit

from shipit.registry import proxies, tls
from shipit.registry.watchdog import Watchdog

CONNECT_DEADLINE = 20.0  # seconds
STALL_DEADLINE = 60.0  # seconds in which not a byte comes or goes
_EARLY = 5.0  # seconds for the answer of a server that stopped reading what we send
_IDLE_KEPT = 32  # connections kept for one host

Body = bytes | Callable[[], Iterable[bytes | memoryview]] | None


class UnreachableError(ConnectionError):
    """No connection came about; its cause says why."""


class TruncatedError(ConnectionError):
    """The connection ended before the answer did."""


class Connection:
    """One connection, and how long its present exchange may take."""

    def __init__(self, raw: http.client.HTTPConnection, key: str) -> None:
        self.raw = raw
        self.key = key
        self._socket = raw.sock  # http.client forgets it before the last answer is read
        self.fresh = True
        self.overdue = False

    def abort(self) -> None:
        """From another thread: whoever reads or writes here wakes up."""
        self.overdue = True
        try:
            # Not SSLSocket.shutdown, which would go on in plain text.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already

    def patience(self, seconds: float) -> None:
        """How long one read or write may wait."""
        if self._socket.fileno() >= 0:
            self._socket.settimeout(seconds)

    def is_usable(self) -> bool:
        """An idle connection that can be read from was closed by the other side."""
        if self.raw.sock is None:
            return False
        poll = select.poll()
        poll.register(self.raw.sock, select.POLLIN)
        return not poll.poll(0)


class Response:
    """An answer whose body is still to be read. Closed at its end, the connection is kept. `url` is
    what it answers to, redirects followed."""

    def __init__(
        self, raw: http.client.HTTPResponse, connection: Connection, pool: "Pool", url: str
    ) -> None:
        self._raw, self._connection, self._pool = raw, connection, pool
        self.url = url
        self._open = True
        self.status, self.reason = raw.status, raw.reason
        self.headers = raw.headers
        self.length: int | None = raw.length  # bytes still to come; None when nobody knows
        if self.length == 0:
            self.close()

    def readinto(self, buffer: memoryview) -> int:
        """What is there, at most a buffer full; 0 at the end. Raises TruncatedError, OSError."""
        if not self._open:
            return 0
        if self.length == 0:
            self._end(keep=not self._raw.will_close)
            return 0
        try:
            count = self._readinto(buffer)
        except BaseException:
            self._end(keep=False)
            raise
        if count:
            if self.length is not None:
                self.length -= count
            return count
        if self.length or self._connection.overdue:
            self._end(keep=False)
            raise TruncatedError("the answer broke off")
        self._end(keep=not self._raw.will_close)
        return 0

    def _readinto(self, buffer: memoryview) -> int:
        if self.length is None:
            return self._raw.readinto(buffer)
        # Past HTTPResponse.readinto, which waits until the whole buffer is full: a trickle has to
        # be seen.
        return self._raw.fp.readinto1(buffer[: self.length])

    def read(self, limit: int) -> bytes:
        """The body, or its first `limit` bytes."""
        content = bytearray()
        buffer = memoryview(bytearray(64 * 1024))
        while len(content) < limit and (count := self.readinto(buffer[: limit - len(content)])):
            content += buffer[:count]
        if self.length == 0:
            self.close()
        return bytes(content)

    def close(self) -> None:
        """A body that was not read to its end costs the connection."""
        if self._open:
            self._end(keep=self.length == 0 and not self._raw.will_close)

    def _end(self, *, keep: bool) -> None:
        self._open = False
        self._raw.close()
        self._pool.put_back(self._connection, keep=keep)


class Pool:
    """Connections to any number of hosts, shared by threads."""

    def __init__(self) -> None:
        self._idle: dict[str, list[Connection]] = {}
        self._lock = Lock()
        self._watchdog = Watchdog()

    def close(self) -> None:
        with self._lock:
            idle = [c for kept in self._idle.values() for c in kept]
            self._idle.clear()
        for connection in idle:
            connection.raw.close()
        self._watchdog.stop()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body,
        *,
        deadline: float,
        answer: float,
    ) -> Response:
        """One exchange, at most `deadline` seconds from here to the body's last byte, and `answer`
        seconds from the request's last byte to the answer's first.

        Raises OSError and http.client.HTTPException. A kept connection that turns out to be dead
        is replaced once; not for a body in pieces, since its receiver may have kept some of it.
        """
        connection = self._take(url)
        if not connection.fresh:
            try:
                return self._exchange(
                    connection, method, url, headers, body, deadline=deadline, answer=answer
                )
            except (ConnectionError, http.client.RemoteDisconnected):
                if connection.overdue or callable(body):
                    raise
            connection = self._connect(urlsplit(url))
        return self._exchange(
            connection, method, url, headers, body, deadline=deadline, answer=answer
        )

    def _exchange(
        self,
        connection: Connection,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body,
        *,
        deadline: float,
        answer: float,
    ) -> Response:
        self._watchdog.watch(connection, time.monotonic() + deadline)
        try:
            early = _send(connection, method, url, headers, body)
            raw = early or _answer(connection, answer)
            connection.patience(STALL_DEADLINE)
            return Response(raw, connection, self, url)
        except BaseException as error:
            self.put_back(connection, keep=False)
            if connection.overdue and isinstance(error, Exception):
                raise TimeoutError(f"not done after {deadline:.0f} s") from error
            raise

    def _take(self, url: str) -> Connection:
        parts = urlsplit(url)
        key = f"{parts.scheme}://{parts.netloc}"
        while True:
            with self._lock:
                kept = self._idle.get(key)
                found = kept.pop() if kept else None
            if found is None:
                return self._connect(parts)
            if found.is_usable():
                found.fresh = False
                return found
            found.raw.close()

    def _connect(self, parts: SplitResult) -> Connection:
        raw = _open(parts)
        try:
            raw.connect()
        except (OSError, http.client.HTTPException) as error:
            raw.close()
            raise UnreachableError(str(error)) from error
        raw.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(raw, f"{parts.scheme}://{parts.netloc}")
        connection.patience(STALL_DEADLINE)
        return connection

    def put_back(self, connection: Connection, *, keep: bool) -> None:
        self._watchdog.leave(connection)
        if keep and not connection.overdue:
            with self._lock:
                kept = self._idle.setdefault(connection.key, [])
                if len(kept) < _IDLE_KEPT:
                    kept.append(connection)
                    return
        connection.raw.close()


def _open(parts: SplitResult) -> http.client.HTTPConnection:
    """Not connected yet: direct, or through the proxy that the environment names."""
    host, port = parts.hostname or "", parts.port
    proxy = proxies.proxy_for(parts)
    if parts.scheme == "https":
        context = tls.context_for(parts.netloc.rpartition("@")[2])
        if proxy is None:
            return http.client.HTTPSConnection(
                host, port, timeout=CONNECT_DEADLINE, context=context
            )
        tunnel = http.client.HTTPSConnection(
            proxy.host, proxy.port, timeout=CONNECT_DEADLINE, context=context
        )
        tunnel.set_tunnel(host, port or 443, proxy.headers)
        return tunnel
    if proxy is None:
        return http.client.HTTPConnection(host, port, timeout=CONNECT_DEADLINE)
    return http.client.HTTPConnection(proxy.host, proxy.port, timeout=CONNECT_DEADLINE)


def _send(
    connection: Connection, method: str, url: str, headers: Mapping[str, str], body: Body
) -> http.client.HTTPResponse | None:
    """The request, or as much of it as the server wanted: then its early answer."""
    raw, parts = connection.raw, urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    proxy = proxies.proxy_for(parts) if parts.scheme == "http" else None
    raw.putrequest(method, url if proxy else target or "/", skip_accept_encoding=True)
    for name, value in {**headers, **(proxy.headers if proxy else {})}.items():
        raw.putheader(name, value)
    if isinstance(body, bytes) and "Content-Length" not in headers:
        raw.putheader("Content-Length", str(len(body)))
    raw.endheaders(body if isinstance(body, bytes) else None)
    return _send_pieces(connection, body()) if callable(body) else None


def _send_pieces(
    connection: Connection, pieces: Iterable[bytes | memoryview]
) -> http.client.HTTPResponse | None:
    try:
        for piece in pieces:
            try:
                connection.raw.sock.sendall(piece)
            except (ConnectionError, TimeoutError):
                if connection.overdue:
                    raise
                return _answer_or_raise(connection)
    finally:
        if isinstance(pieces, Generator):
            pieces.close()  # what it reads from is given back at once
    return None


def _answer_or_raise(connection: Connection) -> http.client.HTTPResponse:
    """Sending failed: a server that refuses says so, and hangs up. The failure, if it did not."""
    try:
        answer = _answer(connection, _EARLY)
    except (OSError, http.client.HTTPException):
        answer = None
    if answer is None or answer.status < 400:
        raise ConnectionResetError("the connection was closed while the request was sent")
    answer.will_close = True
    return answer


def _answer(connection: Connection, seconds: float) -> http.client.HTTPResponse:
    connection.patience(seconds)
    return connection.raw.getresponse()
