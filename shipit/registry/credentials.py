"""User names and secrets for a registry. A secret prints as `***`, wherever it is printed."""

from math import inf
from typing import Self

import msgspec


class Secret:
    """Text that must not be seen. It is not a str, so that no formatting or joining reveals it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a secret is not written anywhere")


class Credentials(msgspec.Struct, frozen=True):
    """A user name with a password, or an identity token (OAuth2 refresh token) instead of both.

    `source` says which keychain gave them, for messages; `expires` is when they end to be good, in
    seconds of time.monotonic().
    """

    username: str = ""
    password: Secret = Secret("")
    identity_token: Secret = Secret("")
    source: str = ""
    expires: float = inf

    @classmethod
    def basic(cls, username: str, password: str, source: str = "", *, expires: float = inf) -> Self:
        return cls(username, Secret(password), source=source, expires=expires)
