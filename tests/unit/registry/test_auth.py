"""Tokens: who asks for one, and where credentials are sent."""

import json
from collections.abc import Callable

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.registry.auth import Authorizer, Challenge
from shipit.registry.credentials import Credentials, Secret
from shipit.registry.keychain import Chain

REALM = "https://auth.example.com/token"
BEARER = [Challenge("bearer", {"realm": REALM, "service": "registry", "scope": "a:b:pull"})]
SCOPES = ("repository:shop/web:pull",)


class Known:
    name = "known"

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials

    def resolve(self, registry: str) -> Credentials | None:
        return self.credentials

    def reason(self, registry: str) -> str:
        return ""


class TokenService:
    """Gives t1, t2, … and keeps what it was asked."""

    def __init__(self, field: str = "token") -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes | None]] = []
        self.field = field

    def __call__(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> bytes:
        self.asked.append((method, url, headers, body))
        return json.dumps({self.field: f"t{len(self.asked)}"}).encode()


@pytest.fixture
def service() -> TokenService:
    return TokenService()


@pytest.fixture
def authorize(service: TokenService) -> Callable[[Credentials], Authorizer]:
    return lambda credentials: Authorizer(Chain([Known(credentials)]), service)


Authorize = Callable[[Credentials], Authorizer]


def test_who_was_rejected_together_shares_a_token(
    authorize: Authorize, service: TokenService
) -> None:
    authorizer = authorize(Credentials.basic("ci", "x"))

    first = authorizer.renew("r.io", SCOPES, BEARER, None)
    second = authorizer.renew("r.io", SCOPES, BEARER, None)
    third = authorizer.renew("r.io", SCOPES, BEARER, first)

    assert (first, second, third) == ("Bearer t1", "Bearer t1", "Bearer t2")
    assert authorizer.header("r.io", SCOPES) == "Bearer t2"
    assert authorizer.header("r.io", ("repository:other:pull",)) is None


def test_a_token_is_asked_for_both_scopes_with_basic_credentials(
    authorize: Authorize, service: TokenService
) -> None:
    authorize(Credentials.basic("ci", "x")).renew("r.io", SCOPES, BEARER, None)

    assert service.asked == [
        (
            "GET",
            f"{REALM}?service=registry&scope=repository%3Ashop%2Fweb%3Apull&scope=a%3Ab%3Apull",
            {"Authorization": "Basic Y2k6eA=="},
            None,
        )
    ]


def test_an_identity_token_is_exchanged(authorize: Authorize, service: TokenService) -> None:
    service.field = "access_token"

    header = authorize(Credentials(identity_token=Secret("refresh"))).renew(
        "r.io", SCOPES, BEARER, None
    )

    method, url, _, body = service.asked[0]
    assert header == "Bearer t1"
    assert (method, url) == ("POST", REALM)
    assert body is not None
    assert b"grant_type=refresh_token" in body
    assert b"refresh_token=refresh" in body


def test_basic_credentials_that_are_refused_are_not_sent_again(authorize: Authorize) -> None:
    authorizer = authorize(Credentials.basic("ci", "x"))
    challenges = [Challenge("basic", {"realm": "r"})]

    header = authorizer.renew("r.io", SCOPES, challenges, None)

    assert header == "Basic Y2k6eA=="
    assert authorizer.renew("r.io", SCOPES, challenges, header) is None


@pytest.mark.parametrize("realm", ["http://auth.example.com/token", "ftp://x/", "", "token"])
def test_credentials_are_not_sent_in_the_clear(
    authorize: Authorize, service: TokenService, realm: str
) -> None:
    authorizer = authorize(Credentials.basic("ci", "x"))

    with pytest.raises(RemoteError, match="names an unsafe token service"):
        authorizer.renew("r.io", SCOPES, [Challenge("bearer", {"realm": realm})], None)
    assert service.asked == []


def test_a_token_service_that_refuses() -> None:
    def refuse(method: str, url: str, headers: dict[str, str], body: bytes | None) -> bytes:
        raise RemoteError("no", "wrong password", request=f"{method} {REALM}", status=401)

    authorizer = Authorizer(Chain([Known(Credentials.basic("ci", "x"))]), refuse)

    with pytest.raises(PreconditionError, match=r"r\.io refuses the credentials") as caught:
        authorizer.renew("r.io", SCOPES, BEARER, None)
    assert f"GET {REALM}: 401 wrong password" in caught.value.why


def test_a_password_is_good_for_every_scope(authorize: Authorize) -> None:
    authorizer = authorize(Credentials.basic("ci", "x"))

    authorizer.renew("r.io", SCOPES, [Challenge("basic", {"realm": "r"})], None)

    assert authorizer.header("r.io", ("repository:other:push",)) == "Basic Y2k6eA=="
    assert authorizer.header("other.io", SCOPES) is None


def test_a_token_that_is_about_to_end_is_replaced_before_it_is_sent(
    authorize: Authorize, service: TokenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("shipit.registry.auth.time.monotonic", lambda: now[0])
    authorizer = authorize(Credentials.basic("ci", "x"))
    authorizer.renew("r.io", SCOPES, BEARER, None)

    now[0] += 40  # of the sixty seconds that a token has when its service does not say
    assert authorizer.header("r.io", SCOPES) == "Bearer t1"
    now[0] += 10
    assert authorizer.header("r.io", SCOPES) == "Bearer t2"
    assert service.asked[0] == service.asked[1]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b'{"token": ""}'])
def test_a_token_service_that_gives_no_token(body: bytes) -> None:
    authorizer = Authorizer(Chain([]), lambda *_: body)

    with pytest.raises(RemoteError, match=r"token service of the registry r\.io gave no token"):
        authorizer.renew("r.io", SCOPES, BEARER, None)
