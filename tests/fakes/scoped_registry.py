"""A registry whose tokens are good for what they were asked for, and for so long.

with ScopedRegistry(tmp_path, lifetime=60) as registry:
    registry.asked_for, registry.refresh_tokens

distribution's token specification in full: scopes by request, `expires_in`, GET with a password and
POST with a refresh token (what `docker login` keeps as `identitytoken`).
"""

import base64
import re
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shipit.registry.embedded.handler import Handler
from shipit.registry.embedded.wire import read_all
from tests.fakes.registry import FakeRegistry, answer_error

_REPOSITORY = re.compile(r"/v2/(.+?)/(?:manifests|blobs|tags|referrers)/")


class ScopedRegistry(FakeRegistry):
    """`users` and `refresh_tokens` are who may ask; `lifetime` (seconds) is told with each token,
    and not at all for None; `asked_for` are the scopes of each token, in order."""

    def __init__(
        self,
        folder: Path,
        *,
        users: dict[str, str] | None = None,
        refresh_tokens: set[str] | None = None,
        lifetime: float | None = None,
    ) -> None:
        super().__init__(folder, users=users or {"nobody": secrets.token_hex(8)}, bearer=True)
        self.refresh_tokens = refresh_tokens or set()
        self.lifetime = lifetime
        self.asked_for: list[tuple[str, ...]] = []
        self.answers: list[dict[str, Any]] = []  # instead of a token, the next times
        self.given: list[str] = []  # every token there was
        self.refused = 0  # requests that came with a token that was not good enough
        self._scopes: dict[str, tuple[set[str], float]] = {}

    def expire(self) -> None:
        self._scopes.clear()

    def _is_authorized(self, request: Handler) -> bool:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        scopes, until = self._scopes.get(token, (set(), 0.0))
        good = until > time.monotonic() and _needed(request) in scopes
        self.refused += bool(token and not good)
        return good

    def _challenge(self, request: Handler) -> bool:
        realm = f"http://{self.address}/token"
        challenge = f'Bearer realm="{realm}",service="fake",scope="{_needed(request)}"'
        answer_error(request, 401, "UNAUTHORIZED", {"WWW-Authenticate": challenge})
        return True

    def _give_token(self, request: Handler) -> bool:
        if request.command == "POST":
            form = parse_qs(read_all(request.body, 1024 * 1024).decode())
            is_known = form["refresh_token"][0] in self.refresh_tokens
            scopes = tuple(form["scope"][0].split())
        else:
            form = parse_qs(urlsplit(request.path).query)
            is_known = self._has_password(request)
            scopes = tuple(form.get("scope", []))
        assert form["service"] == ["fake"]
        if not is_known:
            answer_error(request, 401, "UNAUTHORIZED")
            return True
        self.asked_for.append(scopes)
        request.answer_json(200, self.answers.pop(0) if self.answers else self._new(scopes))
        return True

    def _has_password(self, request: Handler) -> bool:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        return scheme == "Basic" and self._knows(value)

    def _new(self, scopes: tuple[str, ...]) -> dict[str, Any]:
        token = secrets.token_hex(8)
        self.given.append(token)
        lasts = 3600.0 if self.lifetime is None else self.lifetime
        self._scopes[token] = (_each(scopes), time.monotonic() + lasts)
        told = {} if self.lifetime is None else {"expires_in": self.lifetime}
        return {"access_token": token, **told}


def _needed(request: Handler) -> str:
    found = _REPOSITORY.match(urlsplit(request.path).path)
    action = "pull" if request.command in ("GET", "HEAD") else "push"
    return f"repository:{found[1]}:{action}" if found else ""


def _each(scopes: tuple[str, ...]) -> set[str]:
    """`repository:shop/web:pull,push` is two things that one may do."""
    found = (scope.rpartition(":") for scope in scopes)
    return {f"{name}:{action}" for name, _, actions in found for action in actions.split(",")}


def encoded(user: str, password: str) -> str:
    """As docker's config.json keeps it."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()
