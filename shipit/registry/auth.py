"""Authorization for registries: Basic, and Bearer tokens by challenge.

distribution/distribution's docs/spec/auth (token.md, oauth.md, scope.md); RFC 9110, 11.6.1 for the
challenge itself.
"""

import base64
import re
import time
from collections.abc import Iterable
from math import inf
from threading import Lock
from typing import Protocol
from urllib.parse import unquote, unquote_plus, urlencode, urlsplit

import msgspec

from shipit.errors import RemoteError
from shipit.model import codec
from shipit.registry import address, failures
from shipit.registry.credentials import Credentials
from shipit.registry.keychain import Chain

_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"(?:^|,)\s*(Basic|Bearer)\b", re.IGNORECASE)
_HIDDEN = 4  # characters: to hide what is shorter would make every answer unreadable
# What this client itself writes into queries: names and digests, which messages are about.
_OWN_FIELDS = frozenset(
    {"artifactType", "digest", "from", "last", "mount", "n", "scope", "service"}
)
Scopes = tuple[str, ...]  # "repository:shop/web:pull,push"
_EARLY = 15.0  # seconds: a token that ends within them may end on its way
_SHORTEST = 60.0  # seconds that a token is good for when its service does not say (token.md)


class Challenge(msgspec.Struct, frozen=True):
    """One of a WWW-Authenticate header's; `scheme` in lower case."""

    scheme: str
    parameters: dict[str, str]


class TokenAnswer(msgspec.Struct, frozen=True):
    """`expires_in` seconds from now; services that name none mean `_SHORTEST`."""

    token: str = ""
    access_token: str = ""
    expires_in: float | None = None


class Header(msgspec.Struct, frozen=True):
    """An Authorization header's value, what it was given for, and until when it is good (seconds
    of time.monotonic())."""

    value: str
    challenges: tuple[Challenge, ...]
    expires: float


class Fetch(Protocol):
    """One request to a token service; the body of its answer. Raises RemoteError."""

    def __call__(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> bytes: ...


def parse_challenges(header: str) -> list[Challenge]:
    """The Basic and Bearer challenges of a WWW-Authenticate header."""
    starts = list(_SCHEME.finditer(header))
    bounds = [*(s.start() for s in starts), len(header)]
    return [
        Challenge(start[1].lower(), _parameters(header[start.end() : end]))
        for start, end in zip(starts, bounds[1:], strict=False)
    ]


def _parameters(text: str) -> dict[str, str]:
    return {
        found[1].lower(): re.sub(r"\\(.)", r"\1", found[2]) if found[3] is None else found[3]
        for found in _PARAMETER.finditer(text)
    }


def _signatures(url: str) -> set[bytes]:
    """What a URL's query holds that is not of this client's own, as it stands there and decoded:
    object storage and upload sessions let in whoever knows it."""
    fields = (field.partition("=") for field in urlsplit(url).query.split("&"))
    values = [value for name, _, value in fields if name not in _OWN_FIELDS]
    found = {*values, *map(unquote, values), *map(unquote_plus, values)}
    return {value.encode() for value in found if len(value) >= _HIDDEN}


class Authorizer:
    """The Authorization headers of one client: tokens by registry and scopes, and a name with a
    password by registry, since that is good for every scope."""

    def __init__(self, keychain: Chain, fetch: Fetch) -> None:
        self._keychain = keychain
        self._fetch = fetch
        self._tokens: dict[tuple[str, Scopes], Header] = {}
        self._basic: dict[str, Header] = {}
        self._secrets: set[bytes] = set()
        self._lock = Lock()

    def header(self, registry: str, scopes: Scopes) -> str | None:
        """The header to send; None before the registry has asked for one.

        One that is about to end is replaced first: a blob that is sent in one piece would be sent
        for nothing. Raises as `renew`.
        """
        found = self._known(registry, scopes)
        if found is None or found.expires > time.monotonic() + _EARLY:
            return found.value if found else None
        with self._lock:
            replaced = self._replace(registry, scopes, found.challenges, found.value)
        return replaced or found.value

    def hide(self, body: bytes, url: str) -> bytes:
        """An answer from a URL as it may be shown: there are servers that quote what they refuse,
        a signature in the URL's query too."""
        for secret in sorted(self._secrets | _signatures(url), key=len, reverse=True):
            body = body.replace(secret, b"***")
        return body

    def _note(self, *secrets: str) -> None:
        self._secrets |= {secret.encode() for secret in secrets if len(secret) >= _HIDDEN}

    def renew(
        self, registry: str, scopes: Scopes, challenges: Iterable[Challenge], rejected: str | None
    ) -> str | None:
        """A header in place of the `rejected` one; None when the keychain has nothing to offer.

        Threads that were rejected together share one new token. Raises PreconditionError when the
        token service refuses the credentials.
        """
        with self._lock:
            current = self._known(registry, scopes)
            if rejected is not None and current is not None and current.value == rejected:
                self._keychain.forget(registry)
            return self._replace(registry, scopes, tuple(challenges), rejected)

    def _replace(
        self, registry: str, scopes: Scopes, challenges: tuple[Challenge, ...], old: str | None
    ) -> str | None:
        """Unless another thread has done so. Under the lock."""
        current = self._known(registry, scopes)
        if current is not None and current.value != old:
            return current.value
        found = self._header(registry, scopes, challenges)
        if found is None or found.value == old:
            return None
        if found.value.startswith("Basic "):
            self._basic[registry] = found
        else:
            self._tokens[registry, scopes] = found
        return found.value

    def _known(self, registry: str, scopes: Scopes) -> Header | None:
        return self._tokens.get((registry, scopes)) or self._basic.get(registry)

    def _header(
        self, registry: str, scopes: Scopes, challenges: tuple[Challenge, ...]
    ) -> Header | None:
        credentials = self._keychain.resolve(registry)
        if credentials is not None:
            pair = basic(credentials).partition(" ")[2]
            self._note(credentials.password.reveal(), credentials.identity_token.reveal(), pair)
        for challenge in challenges:
            if challenge.scheme == "bearer":
                token, expires = self._token(registry, scopes, challenge, credentials)
                self._note(token)
                return Header(f"Bearer {token}", challenges, expires)
            if credentials is not None and credentials.username:
                return Header(basic(credentials), challenges, credentials.expires)
        return None

    def source(self, registry: str) -> str:
        """For messages: which keychain answered, or why none did."""
        found = self._keychain.resolve(registry)
        if found is None:
            return f"no keychain has credentials for {registry} ({self._keychain.reason(registry)})"
        return f"they are from {found.source}"

    def _token(
        self,
        registry: str,
        scopes: Scopes,
        challenge: Challenge,
        credentials: Credentials | None,
    ) -> tuple[str, float]:
        """A token, and until when it is good."""
        realm = challenge.parameters.get("realm", "")
        self._check_realm(registry, realm)
        asked = dict.fromkeys([*scopes, *challenge.parameters.get("scope", "").split()])
        service = challenge.parameters.get("service", "")
        try:
            body = self._ask(realm, service, list(asked), credentials)
        except RemoteError as error:
            if error.status not in (400, 401, 403):
                raise
            said = f"{error.request}: {error.status} {error.why}"
            raise failures.refusal(registry, said, self.source(registry)) from None
        return _read(registry, realm, body)

    def _check_realm(self, registry: str, realm: str) -> None:
        """Credentials go over HTTPS, or stay on this machine."""
        parts = urlsplit(realm)
        if parts.scheme == "https" or (
            parts.scheme == "http" and address.is_loopback(parts.netloc)
        ):
            return
        raise RemoteError(
            f"the registry {registry} names an unsafe token service",
            f"realm {realm!r} is not an https address: no credentials are sent there",
        )

    def _ask(
        self, realm: str, service: str, scopes: list[str], credentials: Credentials | None
    ) -> bytes:
        fields = [("service", service)] if service else []
        if credentials is not None and credentials.identity_token:
            form = [
                *fields,
                ("grant_type", "refresh_token"),
                ("client_id", "shipit"),
                ("scope", " ".join(scopes)),
                ("refresh_token", credentials.identity_token.reveal()),
            ]
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._fetch("POST", realm, kind, urlencode(form).encode())
        query = urlencode([*fields, *(("scope", s) for s in scopes)])
        url = f"{realm}{'&' if '?' in realm else '?'}{query}"
        headers = {"Authorization": basic(credentials)} if credentials else {}
        return self._fetch("GET", url, headers, None)


def _read(registry: str, realm: str, body: bytes) -> tuple[str, float]:
    try:
        answer = codec.decode(body, TokenAnswer)
    except ValueError:
        answer = TokenAnswer()
    token = answer.token or answer.access_token
    if not token:
        raise RemoteError(
            f"the token service of the registry {registry} gave no token",
            f"{realm} answered something else",
            f"look at whether {registry} is the registry's name, and at a proxy on the way",
        )
    left = _SHORTEST if answer.expires_in is None else answer.expires_in
    # Ones that end at once are for tests of servers; asking again before each use helps nobody.
    return token, time.monotonic() + left if left > _EARLY else inf


def basic(credentials: Credentials) -> str:
    pair = f"{credentials.username}:{credentials.password.reveal()}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
