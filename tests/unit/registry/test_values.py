"""Secrets, addresses, challenges, retries, manifests: the small parts of the client."""

import pickle

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.model import codec
from shipit.registry import address, failures, retry
from shipit.registry.auth import Challenge, parse_challenges
from shipit.registry.credentials import Credentials, Secret
from shipit.registry.manifests import Manifest
from shipit.registry.transport import Call


def test_a_secret_shows_only_when_asked() -> None:
    credentials = Credentials.basic("ci", "hunter2")

    assert credentials.password.reveal() == "hunter2"
    assert "hunter2" not in f"{credentials} {credentials!r} {credentials.password!s:>20}"
    assert f"{credentials.password}" == "***"
    with pytest.raises(TypeError):
        pickle.dumps(credentials.password)
    with pytest.raises(TypeError, match="cannot write a Secret as JSON"):
        codec.encode(credentials)
    assert not Secret("")


@pytest.mark.parametrize(
    ("registry", "url"),
    [
        ("127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("127.8.8.8", "http://127.8.8.8"),
        ("localhost:80", "http://localhost:80"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("docker.io", "https://registry-1.docker.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("registry.example.com:8443", "https://registry.example.com:8443"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000"),
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com"),
    ],
)
def test_plain_http_stays_on_this_machine(registry: str, url: str) -> None:
    assert address.base_url(registry) == url


def test_a_repository_has_a_registry_and_a_path() -> None:
    assert address.split("127.0.0.1:5417/shop/web") == ("127.0.0.1:5417", "shop/web")
    with pytest.raises(PreconditionError, match="'shop' is not a repository"):
        address.split("shop")


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ('Basic realm="x"', [Challenge("basic", {"realm": "x"})]),
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b,c"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "a:b,c",
                    },
                )
            ],
        ),
        (
            'bearer realm=https://a.example/t , Basic realm="a \\"b\\""',
            [
                Challenge("bearer", {"realm": "https://a.example/t"}),
                Challenge("basic", {"realm": 'a "b"'}),
            ],
        ),
        ("Negotiate", []),
        ("", []),
    ],
)
def test_challenges(header: str, challenges: list[Challenge]) -> None:
    assert parse_challenges(header) == challenges


def test_only_temporary_errors_are_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("shipit.registry.retry.time.sleep", pauses.append)
    answers = [
        RemoteError("busy", temporary=True, retry_after=7),
        RemoteError("busy", temporary=True),
        RemoteError("wrong"),
    ]

    def work() -> None:
        raise answers.pop(0)

    with pytest.raises(RemoteError, match="wrong"):
        retry.persist(work)

    assert 7 <= pauses[0] <= 7.2
    assert 0 <= pauses[1] <= 0.8
    assert len(pauses) == 2


def test_who_asks_for_too_much_patience_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipit.registry.retry.time.sleep", lambda _: pytest.fail("it waited"))

    def work() -> None:
        raise RemoteError("busy", temporary=True, retry_after=3600)

    with pytest.raises(RemoteError, match="busy"):
        retry.persist(work)


def test_work_is_given_up_after_so_many_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipit.registry.retry.time.sleep", lambda _: None)
    tried: list[int] = []

    def work() -> None:
        tried.append(1)
        raise RemoteError("busy", temporary=True)

    with pytest.raises(RemoteError, match="busy"):
        retry.persist(work, tries=3)
    assert len(tried) == 3


def test_retry_after_is_seconds_or_a_date() -> None:
    assert failures.retry_after("12") == 12.0
    assert failures.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert failures.retry_after("Wed, 21 Oct 2199 07:28:00 GMT") > 1000
    assert failures.retry_after("soon") == 0.0


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"manifests": [{}]}', b"\xff"])
def test_what_is_not_a_manifest(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Manifest("", content)


@pytest.mark.parametrize(
    ("target", "home"),
    [
        ("/v2/", True),
        ("https://r.example.com/v2/web/blobs/uploads/1", True),
        ("http://r.example.com/v2/web/blobs/uploads/1", False),
        ("https://storage.example.com/1", False),
        ("https://r.example.com:8443/1", False),
    ],
)
def test_credentials_stay_with_their_registry_and_out_of_the_clear(target: str, home: bool) -> None:
    assert Call("PUT", "r.example.com", target).is_home is home


@pytest.mark.parametrize(
    ("registry", "way_in"),
    [
        ("ghcr.io", "docker login ghcr.io"),
        ("111122223333.dkr.ecr.eu-west-1.amazonaws.com", "aws sts get-caller-identity"),
        ("europe-docker.pkg.dev", "gcloud auth application-default login"),
    ],
)
def test_refused_credentials_come_with_the_way_to_others(registry: str, way_in: str) -> None:
    assert way_in in failures.refusal(registry, "401", "").next_step
