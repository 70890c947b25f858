"""Requests to registries: connections kept, one deadline each, authorized, errors mapped.

Nothing is tried again here, but for the one repetition after a 401 with new credentials.
"""

import urllib.request
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urljoin, urlsplit

import msgspec
import urllib3
from urllib3.response import BaseHTTPResponse

from shipit import __version__
from shipit.errors import RemoteError, ShipitError
from shipit.registry import address, auth, failures
from shipit.registry.keychain import Chain

CHUNK = 256 * 1024  # bytes a read or write: FACTS: 256 kB to 1 MB is where the floor is
CONNECT_DEADLINE = 20.0  # seconds; also the longest that sending one chunk may take
READ_DEADLINE = 60.0  # seconds without a byte: a stalled connection
_REDIRECTS = 5
_USER_AGENT = f"shipit/{__version__}"

Body = bytes | Callable[[], Iterable[bytes]] | None


class Call(msgspec.Struct, frozen=True):
    """One request. `target` is a path of the registry or a URL that it named; `body` whole, or a
    function that gives it piece by piece (then Content-Length is among the headers)."""

    method: str
    registry: str
    target: str
    scopes: auth.Scopes = ()
    headers: dict[str, str] = {}
    body: Body = None
    expect: tuple[int, ...] = (200,)

    @property
    def url(self) -> str:
        return urljoin(f"{address.base_url(self.registry)}/", self.target)

    @property
    def title(self) -> str:
        """Method and address for messages; the query may hold a signature and stays out."""
        return f"{self.method} {self.url.partition('?')[0]}"

    @property
    def is_home(self) -> bool:
        """Whether it goes to the registry itself, and so may carry its credentials."""
        return urlsplit(self.url).netloc == urlsplit(address.base_url(self.registry)).netloc


class Transport:
    """Connections to any number of registries, shared by threads."""

    def __init__(self, keychain: Chain) -> None:
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._auth = auth.Authorizer(keychain, self._fetch_token)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.clear()

    def send(self, call: Call) -> BaseHTTPResponse:
        """The response, unread, when its status is one that is expected.

        Raises PreconditionError for refused credentials, RemoteError for everything else.
        """
        response = self._authorized(call)
        if response.status in call.expect:
            return response
        if response.status in (401, 403):
            source = self._auth.source(call.registry)
            raise failures.refused(response, call.title, call.registry, source)
        raise failures.answered(response, call.title, call.registry)

    def _authorized(self, call: Call) -> BaseHTTPResponse:
        if not call.is_home:
            return self._once(call, None)
        header = self._auth.header(call.registry, call.scopes)
        response = self._once(call, header)
        if response.status != 401:
            return response
        challenges = auth.parse_challenges(response.headers.get("WWW-Authenticate", ""))
        try:
            renewed = self._auth.renew(call.registry, call.scopes, challenges, header)
        except ShipitError:
            discard(response)
            raise
        if renewed is None:
            return response
        discard(response)
        return self._once(call, renewed)

    def _once(self, call: Call, authorization: str | None) -> BaseHTTPResponse:
        headers = {"User-Agent": _USER_AGENT, **call.headers}
        if authorization:
            headers["Authorization"] = authorization
        body = call.body() if callable(call.body) else call.body
        url = call.url
        for _ in range(_REDIRECTS):
            response = self._request(call, url, headers, body)
            location = response.headers.get("Location")
            if call.method not in ("GET", "HEAD") or response.status not in _MOVED or not location:
                break
            failures.read_body(response)
            moved = urljoin(url, location)
            if urlsplit(moved).netloc != urlsplit(url).netloc:
                headers.pop("Authorization", None)  # object storage is not told our credentials
            url = moved
        return response

    def _request(
        self, call: Call, url: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None
    ) -> BaseHTTPResponse:
        try:
            return self._pool(url).request(
                call.method,
                url,
                headers=headers,
                body=body,
                preload_content=False,
                decode_content=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise failures.unreachable(error, call.title, call.registry) from error

    def _pool(self, url: str) -> urllib3.PoolManager:
        """The pool for a URL: the proxy's that the environment names, or direct."""
        proxy = _proxy_for(url)
        if proxy not in self._pools:
            self._pools[proxy] = _new_pool(proxy)
        return self._pools[proxy]

    def _fetch_token(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> bytes:
        host = urlsplit(url).netloc
        call = Call(method, host, url, headers=headers, body=body)
        response = self._once(call, None)
        if response.status != 200:
            raise failures.answered(response, call.title, host)
        return read(response, 1024 * 1024, call.title, host)


_MOVED = frozenset({301, 302, 303, 307, 308})


def _new_pool(proxy: str) -> urllib3.PoolManager:
    timeout = urllib3.Timeout(connect=CONNECT_DEADLINE, read=READ_DEADLINE)
    if not proxy:
        return urllib3.PoolManager(
            num_pools=32, maxsize=16, retries=False, timeout=timeout, blocksize=CHUNK
        )
    user = urlsplit(proxy).username
    secret = urlsplit(proxy).password
    proxy_headers = (
        urllib3.make_headers(proxy_basic_auth=f"{user}:{secret or ''}") if user else None
    )
    return urllib3.ProxyManager(
        proxy,
        num_pools=32,
        maxsize=16,
        retries=False,
        timeout=timeout,
        blocksize=CHUNK,
        proxy_headers=proxy_headers,
    )


def _proxy_for(url: str) -> str:
    """HTTPS_PROXY and NO_PROXY, as every client of the field reads them; never for loopback."""
    parts = urlsplit(url)
    if address.is_loopback(parts.netloc) or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return urllib.request.getproxies_environment().get(parts.scheme, "")


def read(response: BaseHTTPResponse, limit: int, title: str, registry: str) -> bytes:
    """A small body whole. Raises RemoteError when it is larger than `limit` bytes or broken off."""
    try:
        content = response.read(limit + 1)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise failures.unreachable(error, title, registry) from error
    finally:
        response.close()
    if len(content) > limit:
        raise RemoteError(f"{title}: more than {limit} bytes", request=title)
    return content


def pieces(response: BaseHTTPResponse, title: str, registry: str) -> Iterable[bytes]:
    """A large body, CHUNK bytes at a time."""
    try:
        while piece := response.read(CHUNK):
            yield piece
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise failures.unreachable(error, title, registry) from error
    finally:
        response.close()


def discard(response: BaseHTTPResponse) -> int:
    """Read an answer to its end, so that the connection can be used again; its status."""
    failures.read_body(response)
    return response.status
