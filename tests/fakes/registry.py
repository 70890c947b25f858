"""The fake registry of the tests: the product's own embedded registry, with what tests need added.

with FakeRegistry(tmp_path, users={"ci": "secret"}) as registry:
    registry.address, registry.requests
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from shipit.registry.embedded import EmbeddedRegistry
from shipit.registry.embedded.handler import Handler

TOKEN_PATH = "/token"

Fault = Callable[[Handler], bool]  # True: it has answered (or ended the connection)


class FakeRegistry:
    """`users` makes it ask for Basic, or with `bearer` for tokens from its own token service.
    `faults` see each authorized request in order; each is used up when it has answered `times`."""

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        bearer: bool = False,
        read_only: bool = False,
        referrers: bool = True,
    ) -> None:
        self.users, self.bearer = dict(users or {}), bearer
        self.requests: list[str] = []  # "METHOD path?query", in the order in which they came
        self.scopes: list[str] = []  # what tokens were asked for
        self.tokens: set[str] = set()
        self.faults: list[Fault] = []
        self._lock = Lock()
        self._registry = EmbeddedRegistry(
            folder,
            port=0,
            read_only=read_only,
            referrers=referrers,
            intercept=self._intercept,
        )
        self.layout = self._registry.layout

    @property
    def address(self) -> str:
        return self._registry.address

    def __enter__(self) -> Self:
        self._registry.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._registry.stop()

    def asked(self, method: str, part: str = "") -> list[str]:
        """The requests with this method whose path has `part` in it."""
        return [r for r in self.requests if r.startswith(f"{method} ") and part in r]

    def _intercept(self, request: Handler) -> bool:
        with self._lock:
            self.requests.append(f"{request.command} {request.path}")
        if urlsplit(request.path).path == TOKEN_PATH:
            return self._give_token(request)
        if self.users and not self._is_authorized(request):
            return self._challenge(request)
        return any(fault(request) for fault in list(self.faults))

    def _is_authorized(self, request: Handler) -> bool:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if self.bearer:
            return scheme == "Bearer" and value in self.tokens
        return scheme == "Basic" and self._knows(value)

    def _knows(self, encoded: str) -> bool:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
        return self.users.get(user) == password

    def _challenge(self, request: Handler) -> bool:
        challenge = 'Basic realm="fake"'
        if self.bearer:
            realm = f"http://{self.address}{TOKEN_PATH}"
            challenge = f'Bearer realm="{realm}",service="fake"'
        answer_error(request, 401, "UNAUTHORIZED", {"WWW-Authenticate": challenge})
        return True

    def _give_token(self, request: Handler) -> bool:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        asked = [v for k, v in parse_qsl(urlsplit(request.path).query) if k == "scope"]
        if scheme != "Basic" or not self._knows(value):
            answer_error(request, 401, "UNAUTHORIZED")
            return True
        token = secrets.token_hex(8)
        with self._lock:
            self.scopes += asked
            self.tokens.add(token)
        request.answer_json(200, {"token": token})
        return True


def answer_error(
    request: Handler, status: int, code: str, headers: Mapping[str, str] | None = None
) -> None:
    body = json.dumps({"errors": [{"code": code, "message": f"{code} by the test"}]}).encode()
    if request.body.left:
        request.close_connection = True
    request.answer(status, body, media_type="application/json", headers=headers)


def times(count: int, matches: Callable[[Handler], bool], act: Callable[[Handler], None]) -> Fault:
    """A fault that happens to the first `count` requests that match."""
    left = [count]

    def fault(request: Handler) -> bool:
        if left[0] <= 0 or not matches(request):
            return False
        left[0] -= 1
        act(request)
        return True

    return fault


def failing(
    status: int, method: str, part: str, *, count: int = 1, headers: Mapping[str, str] | None = None
) -> Fault:
    """Answer `status` to the first `count` requests with this method and part of the path."""
    return times(
        count,
        lambda r: r.command == method and part in r.path,
        lambda r: answer_error(r, status, "UNKNOWN", headers),
    )
