"""Uploads that break at a registry that keeps what it has: only the rest is sent again.

docker-registry and ours give a broken PUT up; the specification lets a registry keep it
("Pushing a blob in chunks"), and tell how much it has.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shipit.errors import RemoteError
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.registry import connections, retry
from shipit.registry.client import Client
from shipit.registry.embedded.handler import Handler
from shipit.registry.keychain import Chain
from tests.fakes import registry_images as images
from tests.fakes.faults import Fault, FaultProxy, reset_request
from tests.fakes.registry import FakeRegistry, answer_error, times

SIZE = 4_000_000


def _is_upload(request: Handler, method: str) -> bool:
    return request.command == method and "/blobs/uploads/" in request.path


def _keep(request: Handler) -> bool:
    """What comes stays, also when the connection breaks; then the upload ends as ever."""
    if _is_upload(request, "PUT") and request.body.left:
        name = request.path.partition("?")[0].rpartition("/")[2]
        request.server.uploads.append(name, request.body, request.headers.get("Content-Range"))
        del request.headers["Content-Range"]
    return False


@dataclass
class Way:
    client: Client
    image: Image
    layer: Digest
    size: int
    source: FakeRegistry
    destination: FakeRegistry
    up: FaultProxy

    def copy(self) -> None:
        self.client.copy(self.image, f"{self.up.address}/shop/web", tag="released")

    def is_right(self) -> bool:
        there = f"{self.destination.address}/shop/web"
        found = self.client.head_manifest(there, "released")
        return found is not None and self.client.verify(Image(there, found.digest)) == []

    def sent(self) -> list[tuple[int, int]]:
        """Of each PUT of the layer, where it began, and the bytes that it was to bring."""
        layer = str(self.layer).replace(":", "%3A")
        puts = [headers for request, headers in self.up.seen if layer in request]
        return [
            (int(h.get("Content-Range", "0-").partition("-")[0]), int(h["Content-Length"]))
            for h in puts
        ]


@pytest.fixture
def way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    monkeypatch.setattr(retry, "_pause", lambda *_: 0.05)
    monkeypatch.setattr(connections, "_EARLY", 0.5)
    with (
        FakeRegistry(tmp_path / "one") as source,
        FakeRegistry(tmp_path / "two") as destination,
        FaultProxy(destination.address) as up,
        Client(Chain([])) as client,
    ):
        repository = f"{source.address}/shop/web"
        pushed = images.push(client, repository, "web", size=SIZE)
        layer = max(pushed.blobs, key=lambda b: b.size)
        destination.faults = [_keep]
        image = Image(repository, pushed.digest)
        yield Way(client, image, layer.digest, layer.size, source, destination, up)


def _break(way: Way, *parts: float) -> None:
    layer = str(way.layer).replace(":", "%3A")
    way.up.faults = [Fault(reset_request(part), "PUT", layer) for part in parts]


@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
def test_only_the_rest_is_sent_again(way: Way, part: float) -> None:
    _break(way, part)

    way.copy()

    assert way.is_right()
    (first, whole), (start, rest) = way.sent()
    assert (first, whole) == (0, way.size)
    assert 0 < start <= int(way.size * part)
    assert rest == way.size - start
    assert len(way.destination.asked("POST", "/blobs/uploads/")) == 3  # none was begun anew


def test_it_breaks_again_and_again(way: Way) -> None:
    """More often than a piece of work is tried: what comes further each time is not given up."""
    _break(way, *[0.3] * (retry.TRIES + 2))

    way.copy()

    assert way.is_right()
    starts = [start for start, _ in way.sent()]
    assert starts == sorted(starts)
    assert len(starts) == retry.TRIES + 3


def test_what_is_read_again_begins_near_the_break(way: Way) -> None:
    """The source is not asked for all of it either."""
    _break(way, 0.6)
    asked: list[str] = []

    def note(request: Handler) -> bool:
        asked.append(request.headers.get("Range", ""))
        return False

    way.source.faults = [note]

    way.copy()

    (begins,) = [r for r in asked if r]
    start = way.sent()[1][0]
    assert 0 < int(begins.removeprefix("bytes=").removesuffix("-")) <= start


@pytest.mark.parametrize("lie", [3.0, 1.0, 0.9, 0.01])
def test_a_registry_that_is_mistaken_about_what_it_kept(way: Way, lie: float) -> None:
    """Then all of it goes into a new upload."""
    _break(way, 0.5)
    told: list[str] = []

    def tell(request: Handler) -> bool:
        if not _is_upload(request, "GET"):
            return False
        told.append(request.path)
        place = {"Location": request.path, "Range": f"0-{int(lie * way.size) - 1}"}
        request.answer(204, headers=place)
        return True

    way.destination.faults = [tell, _keep]

    way.copy()

    assert told
    assert way.is_right()
    assert way.sent()[-1] == (0, way.size)


def test_one_that_never_fits_is_a_clear_failure(way: Way) -> None:
    _break(way, *[0.5] * 100)

    def refuse(request: Handler) -> bool:
        if not (_is_upload(request, "PUT") and "Content-Range" in request.headers):
            return False
        answer_error(request, 416, "BLOB_UPLOAD_INVALID")
        return True

    way.destination.faults = [refuse, _keep]

    with pytest.raises(RemoteError, match=r"answered 416|broke off"):
        way.copy()
    assert not way.is_right()


def test_one_that_is_still_writing_is_asked_again(way: Way) -> None:
    _break(way, 0.5)
    busy = times(
        1,
        lambda r: _is_upload(r, "PUT") and "Content-Range" in r.headers,
        lambda r: answer_error(r, 409, "BLOB_UPLOAD_INVALID"),
    )
    way.destination.faults = [busy, _keep]

    way.copy()

    assert way.is_right()
    assert len(way.sent()) == 3
    assert len(way.destination.asked("POST", "/blobs/uploads/")) == 3
