"""Requests to one API server: authorized, within deadlines, tried again while it may help.

urllib3, and not lightkube's client: its import takes a third of lightkube's time (62 and 213 ms),
pages are decoded into the few fields that are needed, and a watch can be ended by another thread.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from shipit import __version__
from shipit.errors import RemoteError, ShipitError
from shipit.targets.kubernetes import refusals
from shipit.targets.kubernetes.reach.access import Access

if TYPE_CHECKING:
    import urllib3

CONNECT = 10.0  # seconds until there is a connection
ANSWER = 35.0  # seconds until an answer begins: the server gives a webhook 30 at most
_PATIENCE = 90.0  # seconds in which a request that is refused for now is tried again
_UNREACHED = 10.0  # seconds in which one that reaches nobody is, when nobody answered before
_RESTARTS = 60.0  # and when the server did: it may be restarting
_INTERNAL = 15.0  # and one that it failed at, without a word about when to ask again
_SETTLING = 30.0  # in which a server that was away may not know yet who we are, and what we may
_PAUSE, _LONGEST_PAUSE = 0.2, 5.0  # seconds, before jitter
_AT_ONCE = 16  # connections kept

Query = Sequence[tuple[str, str]]


class Call(msgspec.Struct, frozen=True):
    """One request. `content` is the body's type; `silence` how many seconds may pass between two
    pieces of the answer; `heard` is told what the server warns of."""

    method: str
    path: str
    query: Query = ()
    body: bytes | None = None
    content: str = "application/json"
    silence: float = ANSWER
    patient: bool = True
    heard: Callable[[Sequence[str]], None] = lambda _: None

    @property
    def title(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def url(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


class Connection:
    """Threads share it. `sent` counts the requests that went out."""

    def __init__(
        self,
        access: Access,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.access = access
        self.clock, self.pause = clock, pause
        self.sent = 0
        self._reached, self._missed = False, float("-inf")
        self._pool = _pool(access)

    def close(self) -> None:
        self._pool.clear()

    def ask(self, call: Call) -> bytes:
        """The whole answer. Raises PreconditionError for credentials, RemoteError otherwise."""
        body: bytes = self._patiently(call, lambda: self._whole(call))
        return body

    def open(self, call: Call) -> "Stream":
        """The answer piece by piece, once it has begun."""
        begun = self._patiently(call, lambda: self._begun(call))
        return Stream(begun, lambda error: self._broken(error, call))

    def _patiently(self, call: Call, ask: Callable[[], Any]) -> Any:
        began, pause = self.clock(), _PAUSE
        while True:
            try:
                return ask()
            except RemoteError as error:
                if not call.patient or self.clock() - began >= self._patience(error):
                    raise
                named, jitter = error.retry_after, random.uniform(0.5, 1.5)  # noqa: S311 - jitter
            # Not before the time that is named, and not all at once after it.
            self.pause(min(named * (1 + jitter / 10) or pause * jitter, _PATIENCE))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _patience(self, error: RemoteError) -> float:
        """Seconds for which trying again may help."""
        if not error.temporary:
            return -1
        if error.status == 500 and not error.retry_after:
            return _INTERNAL
        if error.status:
            return _PATIENCE
        return _RESTARTS if self._reached else _UNREACHED

    def _whole(self, call: Call) -> bytes:
        return self._read(self._begun(call), call)

    def _read(self, answer: "urllib3.BaseHTTPResponse", call: Call) -> bytes:
        try:
            body: bytes = answer.read()
        except Exception as error:  # the boundary: all of urllib3's
            raise self._broken(error, call) from error
        finally:
            answer.release_conn()
        return body

    def _begun(self, call: Call) -> "urllib3.BaseHTTPResponse":
        answer = self._send(call, fresh=False)
        if answer.status == 401:
            answer.drain_conn()
            answer = self._send(call, fresh=True)  # a token may have ended a moment ago
        if answer.status >= 300:  # an API server sends nobody elsewhere
            body = self._read(answer, call)
            raise refusals.refused(
                answer.status,
                answer.headers,
                body,
                call.title,
                self.access.refused,
                settling=self.clock() - self._missed < _SETTLING,
            )
        call.heard(refusals.warnings(answer.headers))
        return answer

    def _send(self, call: Call, *, fresh: bool) -> "urllib3.BaseHTTPResponse":
        import urllib3

        headers = self.headers(fresh=fresh)
        if call.body is not None:
            headers["Content-Type"] = call.content
        self.sent += 1
        try:
            answer = self._pool.request(
                call.method,
                self.access.server + call.url,
                headers=headers,
                body=call.body,
                preload_content=False,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=CONNECT, read=call.silence),
            )
        except Exception as error:  # the boundary: all of urllib3's
            raise self._broken(error, call) from error
        self._reached = True
        begun: urllib3.BaseHTTPResponse = answer
        return begun

    def _broken(self, error: Exception, call: Call) -> ShipitError:
        self._missed = self.clock()
        return _broken(error, call, self.access)

    def headers(self, *, fresh: bool) -> dict[str, str]:
        """What every request carries."""
        found = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",  # the server's own rule: for long lists alone
            "User-Agent": f"shipit/{__version__}",
            **dict(self.access.headers),
        }
        authorization = self.access.authorization(fresh)
        if authorization:
            found["Authorization"] = authorization
        return found


class Stream:
    """An answer that goes on: a watch or a log. Another thread may close it. `silent`: it ended
    because nothing was said for too long."""

    def __init__(
        self,
        answer: "urllib3.BaseHTTPResponse",
        broken: Callable[[Exception], ShipitError],
    ) -> None:
        self._answer, self._broken = answer, broken
        self.closed = self.silent = False

    def lines(self) -> Iterator[bytes]:
        """Without their line ends. Ends when the other side does; raises RemoteError when the
        connection breaks, or is silent for too long."""
        rest = b""
        try:
            for piece in self._pieces():
                whole = rest + piece
                *lines, rest = whole.split(b"\n")
                yield from lines
            if rest:
                yield rest
        finally:
            self.close()

    def _pieces(self) -> Iterator[bytes]:
        try:
            while not self.closed and (piece := self._answer.read1()):
                yield piece
        except Exception as error:  # the boundary: all of urllib3's
            if not self.closed:
                self.silent = _is_silence(error)
                raise self._broken(error) from error

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        try:
            shutdown = getattr(self._answer, "shutdown", None)
            if shutdown:
                shutdown()
            self._answer.close()
        except Exception:  # noqa: BLE001 - it has ended already
            return


def _is_silence(error: Exception) -> bool:
    from urllib3.exceptions import ReadTimeoutError

    return isinstance(error, ReadTimeoutError)


def _pool(access: Access) -> Any:
    import urllib3

    settings: dict[str, Any] = {"num_pools": 1, "maxsize": _AT_ONCE, "block": False}
    if access.server.startswith("https:"):
        settings["ssl_context"] = access.tls()
        if access.server_name:
            settings |= {
                "server_hostname": access.server_name,
                "assert_hostname": access.server_name,
            }
        if access.insecure:
            settings |= {"cert_reqs": "CERT_NONE", "assert_hostname": False}
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    proxy = access.proxy or _proxy_of(access.server)
    if proxy:
        return urllib3.ProxyManager(proxy, **settings)
    return urllib3.PoolManager(**settings)


def _proxy_of(server: str) -> str:
    """HTTPS_PROXY and NO_PROXY, as client-go honours them."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(server)
    if not parts.hostname or proxy_bypass(parts.netloc):
        return ""
    return getproxies().get(parts.scheme, "")


def _broken(error: Exception, call: Call, access: Access) -> ShipitError:
    """urllib3's exceptions (urllib3/exceptions.py) in our own words."""
    import urllib3

    if isinstance(error, ShipitError):
        return error
    if not isinstance(error, urllib3.exceptions.HTTPError | OSError):
        raise error
    root = _root(error)
    said = " ".join(str(root).split())
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return RemoteError(
            f"the certificate of {access.name} is not trusted",
            said,
            "look at its certificate-authority",
            request=call.title,
        )
    if not isinstance(root, OSError) and not isinstance(error, urllib3.exceptions.TimeoutError):
        said = "the connection broke off"
    return refusals.unreached(call.title, access.name, said, access.unreached)


def _root(error: BaseException) -> BaseException:
    """The operating system's word, from under urllib3's."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return error


def query_of(pairs: Mapping[str, str]) -> Query:
    """What is empty is not asked."""
    return [(key, value) for key, value in pairs.items() if value]
