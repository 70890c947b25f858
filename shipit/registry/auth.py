"""Authorization for registries: Basic, and Bearer tokens by challenge.

distribution/distribution's docs/spec/auth (token.md, oauth.md, scope.md); RFC 9110, 11.6.1 for the
challenge itself.
"""

import base64
import re
from collections.abc import Iterable
from threading import Lock
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import msgspec

from shipit.errors import RemoteError
from shipit.model import codec
from shipit.registry import address, failures
from shipit.registry.credentials import Credentials
from shipit.registry.keychain import Chain

_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"(?:^|,)\s*(Basic|Bearer)\b", re.IGNORECASE)
Scopes = tuple[str, ...]  # "repository:shop/web:pull,push"


class Challenge(msgspec.Struct, frozen=True):
    """One of a WWW-Authenticate header's; `scheme` in lower case."""

    scheme: str
    parameters: dict[str, str]


class TokenAnswer(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""


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


class Authorizer:
    """The Authorization headers of one client, kept by registry and scopes."""

    def __init__(self, keychain: Chain, fetch: Fetch) -> None:
        self._keychain = keychain
        self._fetch = fetch
        self._headers: dict[tuple[str, Scopes], str] = {}
        self._lock = Lock()

    def header(self, registry: str, scopes: Scopes) -> str | None:
        return self._headers.get((registry, scopes))

    def renew(
        self, registry: str, scopes: Scopes, challenges: Iterable[Challenge], rejected: str | None
    ) -> str | None:
        """A header in place of the `rejected` one; None when the keychain has nothing to offer.

        Threads that were rejected together share one new token. Raises PreconditionError when the
        token service refuses the credentials.
        """
        with self._lock:
            current = self._headers.get((registry, scopes))
            if current != rejected:
                return current
            if rejected is not None:
                self._keychain.forget(registry)
            found = self._header(registry, scopes, challenges)
            if found is not None and found != rejected:
                self._headers[registry, scopes] = found
                return found
            return None

    def _header(self, registry: str, scopes: Scopes, challenges: Iterable[Challenge]) -> str | None:
        credentials = self._keychain.resolve(registry)
        for challenge in challenges:
            if challenge.scheme == "bearer":
                return f"Bearer {self._token(registry, scopes, challenge, credentials)}"
            if credentials is not None and credentials.username:
                return basic(credentials)
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
    ) -> str:
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
        answer = codec.decode(body, TokenAnswer)
        return answer.token or answer.access_token

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


def basic(credentials: Credentials) -> str:
    pair = f"{credentials.username}:{credentials.password.reveal()}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"
