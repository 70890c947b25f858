"""Copies through a proxy that does what networks do: the right digest or a clear failure, never a
wrong or partial one under a tag; and never a credential in what is said."""

import errno
import os
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from shipit.errors import RemoteError, ShipitError
from shipit.model.image import Image
from shipit.registry import connections, retry, transport
from shipit.registry.client import Client
from shipit.registry.embedded import uploads
from shipit.registry.keychain import Chain
from tests.fakes import registry_images as images
from tests.fakes import registry_vouchers as vouching
from tests.fakes.faults import (
    Act,
    Fault,
    FaultProxy,
    answer,
    flip,
    ignore_range,
    redirect,
    reset_answer,
    reset_request,
    stall,
    truncate,
)
from tests.fakes.known import Known
from tests.fakes.registry import FakeRegistry

SECRET = "planted-9f3c7a51"
SIZE = 3_000_000
DOWN, UP = ("GET", "/blobs/sha256"), ("PUT", "/blobs/uploads/")


@dataclass
class Way:
    """From a registry through a proxy, to another through another."""

    client: Client
    source: FakeRegistry
    destination: FakeRegistry
    down: FaultProxy
    up: FaultProxy
    image: Image
    layer: str  # the path of the layer that is large

    @property
    def target(self) -> str:
        return f"{self.up.address}/production/web"

    def copy(self) -> None:
        self.client.copy(self.image, self.target, tag="released")

    def is_right(self) -> bool:
        """All is at the destination under the tag, as one sees who asks it without the proxy."""
        direct = f"{self.destination.address}/production/web"
        with Client(Chain([Known("ci", SECRET)])) as client:
            found = client.head_manifest(direct, "released")
            if found is None:
                return False
            assert found.digest == self.image.digest
            assert client.verify(Image(direct, found.digest)) == []
        return True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_pause", lambda *_: 0.0)
    monkeypatch.setattr(connections, "_EARLY", 0.5)


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    users = {"ci": SECRET}
    with (
        FakeRegistry(tmp_path / "one", users=users, bearer=True) as source,
        FakeRegistry(tmp_path / "two", users=users, bearer=True) as destination,
        FaultProxy(source.address) as down,
        FaultProxy(destination.address) as up,
        Client(Chain([Known("ci", SECRET)])) as client,
    ):
        repository = f"{source.address}/shop/web"
        images.push(client, repository, "web", tag="v1", size=SIZE)
        pushed = client.get_manifest(repository, "v1")
        images.push_referrer(client, repository, pushed, vouching.SIGNATURE)
        image = Image(f"{down.address}/shop/web", pushed.digest)
        layer = max(pushed.blobs, key=lambda b: b.size).digest
        yield Way(client, source, destination, down, up, image, f"/blobs/{layer}")


def _fails(way: Way) -> ShipitError:
    """It says what is wrong, leaves no tag, and shows no secret anywhere."""
    with pytest.raises(ShipitError) as caught:
        way.copy()
    assert not way.is_right()
    said = "".join(traceback.format_exception(caught.value))
    assert SECRET not in said
    assert SECRET not in repr(vars(caught.value))
    for token in way.source.tokens:
        assert token not in said
    return caught.value


@pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
def test_a_download_that_is_reset_goes_on_where_it_broke(way: Way, part: float) -> None:
    way.down.faults = [Fault(reset_answer(part), method="GET", part=way.layer)]

    way.copy()

    assert way.is_right()
    assert len(way.up.asked("PUT", "/blobs/uploads/")) == 5  # the upload never heard of it
    assert len(way.down.asked("GET", way.layer)) == 2
    resumed = any("Range" in headers for _, headers in way.down.seen)
    assert resumed or part < 0.1  # a reset takes along what had not been read yet


@pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
def test_an_upload_that_is_reset_is_sent_again(way: Way, part: float) -> None:
    way.up.faults = [Fault(reset_request(part), *UP)]

    way.copy()

    assert way.is_right()


@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_a_truncated_body_is_completed(way: Way, part: float) -> None:
    way.down.faults = [Fault(truncate(part), method="GET", part=way.layer)]

    way.copy()

    assert way.is_right()


@pytest.mark.parametrize("act", [truncate(0.5), reset_answer(0.0), flip, answer(503)])
def test_what_stays_broken_is_a_clear_failure(way: Way, act: Act) -> None:
    way.down.faults = [Fault(act, *DOWN, count=10_000)]

    error = _fails(way)

    assert way.down.address in error.what
    assert re.search("broke off|does not have the digest|answered 503", error.what)


def test_one_flipped_byte_is_never_kept(way: Way) -> None:
    way.down.faults = [Fault(flip, *DOWN)]

    way.copy()

    assert way.is_right()
    assert len(way.down.faults[0].met) == 1


def test_a_registry_that_ignores_ranges(way: Way) -> None:
    way.down.faults = [
        Fault(reset_answer(0.5), method="GET", part=way.layer),
        Fault(ignore_range, *DOWN, count=10_000),
    ]

    way.copy()

    assert way.is_right()
    assert len(way.up.asked("PUT", "/blobs/uploads/")) == 5


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("method", ["HEAD", "GET", "POST", "PUT"])
def test_errors_that_pass(way: Way, status: int, method: str) -> None:
    headers = {"Retry_After": "0"} if status == 429 else {}
    for proxy in (way.down, way.up):
        proxy.faults = [Fault(answer(status, **headers), method=method, count=3)]

    way.copy()

    assert way.is_right()


def test_a_registry_that_asks_for_a_long_pause_is_not_waited_for(way: Way) -> None:
    way.up.faults = [Fault(answer(429, "TOOMANYREQUESTS", Retry_After="3600"), count=10_000)]

    error = _fails(way)

    assert isinstance(error, RemoteError)
    assert error.retry_after == 3600
    assert "429" in error.what


@pytest.mark.parametrize("where", ["down", "up"])
def test_fm25_a_stall_ends_within_its_deadline(
    way: Way, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STALL_DEADLINE", 0.3)
    monkeypatch.setattr(transport.Call, "answer", 0.3, raising=False)
    proxy, kind = (way.down, DOWN) if where == "down" else (way.up, UP)
    proxy.faults = [Fault(stall, *kind)]

    way.copy()

    assert way.is_right()
    assert len(proxy.faults[0].met) == 1


def test_fm24_credentials_that_expire_in_mid_copy_are_renewed(way: Way) -> None:
    """A 401 inside the transfer, on the way down and up; nothing is asked of the user."""
    for proxy, registry, kind in (
        (way.down, way.source, DOWN),
        (way.up, way.destination, UP),
        (way.up, way.destination, ("PUT", "/manifests/")),
    ):
        proxy.faults = [*proxy.faults, Fault(_forgets(registry), *kind)]

    way.copy()

    assert way.is_right()
    assert all(f.met for f in (*way.down.faults, *way.up.faults))


def _forgets(registry: FakeRegistry) -> Act:
    """The tokens that it gave are worth nothing from here on."""

    def act(_: object) -> bool:
        registry.tokens.clear()
        return False

    return act


def test_an_upload_session_that_disappears(way: Way) -> None:
    way.up.faults = [Fault(answer(404, "BLOB_UPLOAD_UNKNOWN"), *UP, count=2)]

    way.copy()

    assert way.is_right()


def test_object_storage_gets_no_credentials(way: Way, tmp_path: Path) -> None:
    """Blobs behind a redirect, at another host; the connection to that one breaks too."""
    with FaultProxy(way.source.address) as storage:

        def admit(exchange: object) -> bool:
            headers = exchange.headers  # type: ignore[attr-defined]
            if "Authorization" not in headers:
                headers["Authorization"] = f"Bearer {next(iter(way.source.tokens))}"
            return False

        way.down.faults = [Fault(redirect(storage.address), *DOWN, count=10_000)]
        storage.faults = [Fault(_both(reset_answer(0.5), admit)), Fault(admit, count=10_000)]

        way.copy()

        assert storage.seen
        for request, headers in storage.seen:
            assert SECRET not in f"{request} {headers}"
            assert all(
                name == "Authorization" or token not in value
                for name, value in headers.items()
                for token in way.source.tokens
            )
            assert "X-Signature" in request
    assert way.is_right()


def _both(first: Act, second: Act) -> Act:
    return lambda exchange: first(exchange) or second(exchange)


@pytest.mark.parametrize("where", ["down", "up"])
def test_fm20_without_a_referrers_api(way: Way, where: str) -> None:
    proxy = way.down if where == "down" else way.up
    proxy.faults = [Fault(answer(404, "UNSUPPORTED"), part="/referrers/", count=10_000)]
    if where == "down":
        repository = f"{way.down.address}/shop/web"
        with Client(Chain([Known("ci", SECRET)])) as client:
            subject = client.get_manifest(repository, "v1")
            images.push_referrer(client, repository, subject, vouching.SBOM)

    way.copy()

    assert way.is_right()
    with Client(Chain([Known("ci", SECRET)])) as client:
        found = client.referrers(way.target, way.image.digest)
    assert [d.artifact_type for d in found] == [
        vouching.SIGNATURE if where == "up" else vouching.SBOM
    ]


@pytest.mark.parametrize("status", [500, 507])
def test_a_full_disk_is_told(way: Way, status: int) -> None:
    way.up.faults = [Fault(answer(status, "UNKNOWN"), *UP, count=10_000)]

    error = _fails(way)

    assert f"answered {status}" in error.what


def test_a_disk_that_is_really_full(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry's folder has room for a part of the layer; then somebody makes more. Without the
    proxy, which takes no answer before it has sent all."""
    way.up.address = way.destination.address
    room, write = [1_000_000], uploads._write

    def take(file: IO[bytes], part: memoryview) -> None:
        room[0] -= len(part)
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, part)

    monkeypatch.setattr(uploads, "_write", take)

    error = _fails(way)

    assert "No space left on device" in error.why
    room[0] = 100_000_000
    way.copy()
    assert way.is_right()


def test_refused_in_mid_copy_leaves_no_tag(way: Way) -> None:
    way.up.faults = [Fault(answer(403, "DENIED"), method="PUT", part="/manifests/", count=99)]

    error = _fails(way)

    assert "refuses the credentials" in error.what


def test_what_was_broken_is_finished_by_the_next_copy(way: Way) -> None:
    """Killed at each request in turn: the copy after it is always whole."""
    for turn in range(8):
        way.up.faults = [Fault(_after(turn, answer(400, "UNSUPPORTED")), count=10_000)]
        with pytest.raises(ShipitError):
            way.copy()
        assert not way.is_right()
    way.up.faults = []

    way.copy()

    assert way.is_right()


def _after(count: int, act: Act) -> Act:
    left = [count]

    def late(exchange: object) -> bool:
        left[0] -= 1
        return left[0] < 0 and act(exchange)  # type: ignore[arg-type]

    return late
