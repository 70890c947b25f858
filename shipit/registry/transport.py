"""Requests to registries: authorized, redirected, within deadlines, errors mapped.

Nothing is tried again here, but for the repetition after a 401 with new credentials.
"""

import http.client
import re
from collections.abc import Iterable
from threading import Lock
from urllib.parse import urljoin, urlsplit

import msgspec

from shipit import __version__
from shipit.errors import RemoteError, ShipitError
from shipit.registry import address, auth, failures
from shipit.registry.connections import Body, Pool, Response
from shipit.registry.keychain import Chain

CHUNK = 256 * 1024  # bytes a read or write
SHORT = 120.0  # seconds for an exchange of small things, all in all
ANSWER = 60.0  # seconds until an answer begins
_REDIRECTS = 5
_RENEWALS = 2  # a token that another thread has just renewed may have expired again
_USER_AGENT = f"shipit/{__version__}"
_MOVED = frozenset({301, 302, 303, 307, 308})
_USER = re.compile("//[^/]*@")
_PLAIN_TO_TLS = b"HTTPS"  # in what servers say to plain HTTP on a port for TLS: Go's, nginx', ...


class Call(msgspec.Struct, frozen=True):
    """One request. `target` is a path of the registry or a URL that it named; `body` whole, or a
    function that gives it piece by piece (then Content-Length is among the headers). `deadline`:
    seconds for all of it; `answer`: seconds until the answer begins, once the request is sent."""

    method: str
    registry: str
    target: str
    scopes: auth.Scopes = ()
    headers: dict[str, str] = {}
    body: Body = None
    expect: tuple[int, ...] = (200,)
    deadline: float = SHORT
    answer: float = ANSWER

    @property
    def url(self) -> str:
        home = address.base_url(self.registry)
        if self.target.startswith("/v2/"):
            return home + self.target
        return urljoin(f"{home}/", self.target)

    @property
    def title(self) -> str:
        """Method and address for messages; the query may hold a signature, and what is before the
        host a password: they stay out."""
        return f"{self.method} {_USER.sub('//', self.url.partition('?')[0], count=1)}"

    @property
    def is_home(self) -> bool:
        """Whether it goes to the registry itself, and so may carry its credentials."""
        if self.target.startswith("/v2/"):
            return True
        return _may_follow(address.base_url(self.registry), self.url)


class Transport:
    """Connections to any number of registries, shared by threads."""

    def __init__(self, keychain: Chain) -> None:
        self._pool = Pool()
        self._auth = auth.Authorizer(keychain, self._fetch_token)
        self._spoken: dict[str, str] = {}  # host on loopback -> the scheme that it speaks
        self._lock = Lock()

    def close(self) -> None:
        self._pool.close()

    def send(self, call: Call) -> Response:
        """The response, unread, when its status is one that is expected.

        Raises PreconditionError for refused credentials, RemoteError for everything else.
        """
        response = self._authorized(call)
        if response.status in call.expect:
            return response
        body = self._shown(response)
        if response.status in (401, 403):
            source = self._auth.source(call.registry)
            raise failures.refused(response, call.title, call.registry, body, source)
        raise failures.answered(response, call.title, call.registry, body)

    def _shown(self, response: Response) -> bytes:
        """An error's body, with no secret in it."""
        return self._auth.hide(failures.read_body(response), response.url)

    def _authorized(self, call: Call) -> Response:
        if not call.is_home:
            return self._once(call, None)
        header = self._auth.header(call.registry, call.scopes)
        response = self._once(call, header)
        for _ in range(_RENEWALS):
            if response.status != 401:
                break
            challenges = auth.parse_challenges(response.headers.get("WWW-Authenticate", ""))
            try:
                renewed = self._auth.renew(call.registry, call.scopes, challenges, header)
            except ShipitError:
                discard(response)
                raise
            if renewed is None:
                break
            discard(response)
            header = renewed
            response = self._once(call, header)
        return response

    def _once(self, call: Call, authorization: str | None) -> Response:
        headers = {"User-Agent": _USER_AGENT, **call.headers}
        if authorization:
            headers["Authorization"] = authorization
        url = call.url
        for _ in range(_REDIRECTS):
            response = self._request(call, url, headers)
            location = response.headers.get("Location")
            if call.method not in ("GET", "HEAD") or response.status not in _MOVED or not location:
                break
            failures.read_body(response)
            moved = urljoin(url, location)
            if not _may_follow(url, moved):
                headers.pop("Authorization", None)  # object storage is not told our credentials
            url = moved
        return response

    def _request(self, call: Call, url: str, headers: dict[str, str]) -> Response:
        """On loopback the scheme is not known before the first answer: plain HTTP comes first."""
        parts = urlsplit(url)
        if not address.is_loopback(parts.netloc):
            return self._ask(call, url, headers)
        known = self._spoken.get(parts.netloc)
        if known:
            return self._ask(call, parts._replace(scheme=known).geturl(), headers)
        with self._lock:  # the others wait for what the first finds out
            known = self._spoken.get(parts.netloc)
            if known is None:
                response, self._spoken[parts.netloc] = self._explore(call, url, headers)
                return response
        return self._ask(call, parts._replace(scheme=known).geturl(), headers)

    def _explore(self, call: Call, url: str, headers: dict[str, str]) -> tuple[Response, str]:
        parts = urlsplit(url)
        response = self._ask(call, url, headers)
        if parts.scheme == "https" or response.status != 400:
            return response, parts.scheme
        if response.headers.get("Content-Type", "").startswith("application/json"):
            return response, parts.scheme
        said = failures.read_body(response)
        if call.method != "HEAD" and _PLAIN_TO_TLS not in said:
            body = self._auth.hide(said, url)
            raise failures.answered(response, call.title, call.registry, body)
        return self._ask(call, parts._replace(scheme="https").geturl(), headers), "https"

    def _ask(self, call: Call, url: str, headers: dict[str, str]) -> Response:
        if not _is_address(url):
            raise RemoteError(
                f"{call.title} leads to an address that cannot be used",
                f"{call.registry} named it, in a Location or as the realm of its tokens",
                "look at the registry, and at a proxy on the way",
                request=call.title,
            )
        try:
            return self._pool.request(
                call.method, url, headers, call.body, deadline=call.deadline, answer=call.answer
            )
        except (OSError, http.client.HTTPException) as error:
            raise failures.unreachable(error, call.title, call.registry) from error

    def _fetch_token(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> bytes:
        host = urlsplit(url).netloc
        call = Call(method, host, url, headers=headers, body=body)
        response = self._once(call, None)
        if response.status != 200:
            raise failures.answered(response, call.title, host, self._shown(response))
        return read(response, 1024 * 1024, call.title, host)


def _is_address(url: str) -> bool:
    """Whether a URL can be asked as it is. http.client quotes in its errors those that cannot, and
    with them the signature that they may hold."""
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return is_plain and port_is_good and parts.scheme in ("http", "https") and bool(parts.hostname)


def _may_follow(home: str, url: str) -> bool:
    """Whether credentials for one address may go to the other: the same host, and not in the clear
    where they were not before."""
    before, after = urlsplit(home), urlsplit(url)
    return before.netloc == after.netloc and (before.scheme, after.scheme) != ("https", "http")


def read(response: Response, limit: int, title: str, registry: str) -> bytes:
    """A small body whole. Raises RemoteError when it is larger than `limit` bytes or broken off."""
    try:
        content = response.read(limit + 1)
    except (OSError, http.client.HTTPException) as error:
        raise failures.unreachable(error, title, registry) from error
    finally:
        response.close()
    if len(content) > limit:
        raise RemoteError(f"{title}: more than {limit} bytes", request=title)
    return content


def pieces(
    response: Response, title: str, registry: str, buffer: memoryview
) -> Iterable[memoryview]:
    """A large body in the one buffer, which is filled again each time. What came before a
    connection broke is given too."""
    broken: Exception | None = None
    try:
        while broken is None:
            count, broken = _fill(response, buffer)
            if count:
                yield buffer[:count]
            elif broken is None:
                return
        raise failures.unreachable(broken, title, registry) from broken
    finally:
        response.close()


def _fill(response: Response, buffer: memoryview) -> tuple[int, Exception | None]:
    """As much as fits, and what went wrong then: TLS gives 16 kB at a time, and every piece costs
    its passing on."""
    filled = 0
    try:
        while filled < len(buffer) and (count := response.readinto(buffer[filled:])):
            filled += count
    except (OSError, http.client.HTTPException) as error:
        return filled, error
    return filled, None


def discard(response: Response) -> int:
    """Read an answer to its end, so that the connection can be used again; its status."""
    failures.read_body(response)
    return response.status
