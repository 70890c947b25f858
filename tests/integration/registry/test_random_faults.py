"""Ten thousand random ways in which a copy goes wrong, in memory: the right digest or a clear
failure, never a wrong or partial one under a tag.

The wire is replaced below the transport's pool: what is tested is everything above it, retries,
resumption, order and all. Nine of ten do one thing after the other: threads cost more than the rest
of such a small copy, and with them a seed does not tell the same story twice.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from shipit.errors import ShipitError
from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.registry import copying, downloads, media, retry, tree
from shipit.registry.client import Client
from shipit.registry.keychain import Chain
from shipit.registry.manifests import Descriptor, Manifest, index_of
from shipit.registry.referrers import fallback_tag
from tests.fakes import registry_images as images

FAULTS = ("reset", "flip", "truncate", "lose answer", "vanish", 401, 429, 500, 502, 503, 507)
SOURCE, TARGET = "one.example/shop/web", "two.example/shop/web"


@dataclass
class Memory:
    """A registry as its three maps; it accepts a manifest only when all it refers to is there."""

    has_api: bool
    keeps_ranges: bool
    keeps_uploads: bool
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)

    def put_manifest(self, name: str, kind: str, content: bytes) -> int:
        manifest = Manifest(kind, content)
        if any(str(b.digest) not in self.blobs for b in manifest.blobs):
            return 404
        if any(str(c.digest) not in self.manifests for c in manifest.children):
            return 404 if not name.startswith("sha256-") else 201
        self.manifests[str(manifest.digest)] = (kind, content)
        if not name.startswith("sha256:"):
            self.tags[name] = str(manifest.digest)
        return 201

    def referrers(self, subject: str) -> bytes:
        found = [Manifest(k, c) for k, c in self.manifests.values()]
        return index_of(tuple(m.descriptor for m in found if str(m.subject) == subject))


class Answer:
    """A response whose body may break off."""

    def __init__(self, status: int, content: bytes, headers: dict[str, str], whole: int) -> None:
        self.status, self.reason, self.headers, self.url = status, "", headers, ""
        self._content, self._at = content, 0
        self._whole = whole
        self.length: int | None = whole

    def readinto(self, buffer: memoryview) -> int:
        piece = self._content[self._at : self._at + len(buffer)]
        if not piece and self._at < self._whole:
            raise ConnectionResetError("by the test")
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def read(self, limit: int) -> bytes:
        if len(self._content) < self._whole:
            raise ConnectionResetError("by the test")
        return self._content[:limit]

    def close(self) -> None:
        """Nothing is held."""


class Network:
    """In the pool's place: two registries, and a die for every request.

    A 404 is not among the faults: that something is not there is an answer, and believed."""

    def __init__(self, random: Random, rate: float, registries: dict[str, Memory]) -> None:
        self._random, self._rate = random, rate
        self._registries = registries
        self.asked = 0

    def close(self) -> None:
        """Nothing is held."""

    def request(
        self, method: str, url: str, headers: dict[str, str], body: Any, **_: float
    ) -> Answer:
        self.asked += 1
        parts = urlsplit(url)
        registry = self._registries[parts.netloc]
        fault = self._random.choice(FAULTS) if self._random.random() < self._rate else None
        if isinstance(fault, int):
            return _answer(fault, b"{}", {"Retry-After": "0"} if fault == 429 else {})
        if fault == "reset" and self._random.random() < 0.5:
            raise ConnectionResetError("by the test")
        if fault == "vanish":
            registry.uploads.clear()
        sent = self._receive(body, fault)
        path = parts.path.removeprefix("/v2/shop/web/")
        answer = _ROUTES[path.partition("/")[0]](registry, method, path, parts.query, headers, sent)
        if sent is not None and fault in ("reset", "truncate"):
            raise ConnectionResetError("by the test")
        if fault == "lose answer":
            raise ConnectionResetError("by the test")
        is_list = path.startswith(("referrers", "tags"))  # no digest says how a list should be
        return self._damaged(answer, "" if is_list and fault == "flip" else fault)

    def _receive(self, body: Any, fault: Any) -> bytes | None:
        if body is None:
            return None
        pieces: Iterable[bytes | memoryview] = body() if callable(body) else [body]
        content = b"".join(bytes(p) for p in pieces)
        if fault in ("reset", "truncate"):
            return content[: self._random.randrange(len(content) + 1)] or None
        return _flipped(content, self._random) if fault == "flip" else content

    def _damaged(self, answer: Answer, fault: Any) -> Answer:
        content = answer._content
        if fault in ("reset", "truncate"):
            answer._content = content[: self._random.randrange(len(content) + 1)]
        if fault == "flip":
            answer._content = _flipped(content, self._random)
        return answer


def _flipped(content: bytes, random: Random) -> bytes:
    if not content:
        return content
    at = random.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def _answer(status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
    return Answer(
        status, content, {"Content-Length": str(len(content)), **(headers or {})}, len(content)
    )


def _blobs(
    r: Memory, method: str, path: str, query: str, headers: dict[str, str], sent: bytes | None
) -> Answer:
    what = path.partition("/")[2]
    if what.startswith("uploads"):
        return _uploads(r, method, what, query, headers, sent)
    if what not in r.blobs:
        return _answer(404)
    content = r.blobs[what]
    if method == "HEAD":
        return Answer(200, b"", {"Content-Length": str(len(content))}, 0)
    asked = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
    if asked and r.keeps_ranges:
        start = int(asked[1])
        place = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return _answer(206, content[start:], {"Content-Range": place})
    return _answer(200, content)


def _uploads(
    r: Memory, method: str, what: str, query: str, headers: dict[str, str], sent: bytes | None
) -> Answer:
    if method == "POST":
        name = f"u{len(r.uploads)}-{len(r.blobs)}"
        r.uploads[name] = b""
        return _answer(202, headers={"Location": f"/v2/shop/web/blobs/uploads/{name}"})
    name = what.rpartition("/")[2]
    if name not in r.uploads:
        return _answer(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}')
    if method == "GET":
        last = max(len(r.uploads[name]) - 1, 0)
        place = f"/v2/shop/web/blobs/uploads/{name}"
        return _answer(204, headers={"Location": place, "Range": f"0-{last}"})
    ranged = re.fullmatch(r"(\d+)-\d+", headers.get("Content-Range", ""))
    before = r.uploads[name] if ranged or headers.get("Content-Length") == "0" else b""
    if ranged and int(ranged[1]) != len(before):
        return _answer(416)
    content = before + (sent or b"")
    digest = parse_qs(query)["digest"][0]
    if str(Digest.of(content)) != digest:
        r.uploads[name] = content if r.keeps_uploads else b""
        return _answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
    r.blobs[digest] = content
    return _answer(201)


def _manifests(
    r: Memory, method: str, path: str, _: str, headers: dict[str, str], sent: bytes | None
) -> Answer:
    name = path.partition("/")[2]
    if method == "PUT":
        return _put(r, name, headers, sent or b"")
    digest = r.tags.get(name, name)
    if digest not in r.manifests:
        return _answer(404)
    kind, content = r.manifests[digest]
    told = {"Content-Type": kind, "Docker-Content-Digest": digest}
    if method == "HEAD":
        return Answer(200, b"", {**told, "Content-Length": str(len(content))}, 0)
    return _answer(200, content, told)


def _put(r: Memory, name: str, headers: dict[str, str], sent: bytes) -> Answer:
    if name.startswith("sha256:") and str(Digest.of(sent)) != name:
        return _answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
    try:
        status = r.put_manifest(name, headers["Content-Type"], sent)
    except ValueError:
        return _answer(400)
    return _answer(status, headers={"Docker-Content-Digest": str(Digest.of(sent))})


def _referrers(r: Memory, method: str, path: str, *_: Any) -> Answer:
    if not r.has_api:
        return _answer(404)
    return _answer(200, r.referrers(path.partition("/")[2]), {"Content-Type": media.OCI_INDEX})


def _tags(r: Memory, *_: Any) -> Answer:
    return _answer(200, codec.encode({"tags": sorted(r.tags)}))


_ROUTES: dict[str, Callable[..., Answer]] = {
    "blobs": _blobs,
    "manifests": _manifests,
    "referrers": _referrers,
    "tags": _tags,
}


def _fill(registry: Memory) -> tuple[Digest, list[Digest]]:
    """An index of two platforms, a referrer of it and one of a child, a signature's tag."""
    children = []
    for name in ("one", "two"):
        layers = [(name * 700).encode(), b"shared" * 100]
        children.append(_push(registry, layers))
    index = Manifest(
        media.OCI_INDEX,
        index_of(tuple(Descriptor(c.media_type, c.digest, len(c.content)) for c in children)),
    )
    registry.put_manifest("v1", index.media_type, index.content)
    vouching = [
        _push(registry, [b"sbom"], subject=index),
        _push(registry, [b"of a child"], subject=children[1]),
        _push(registry, [b"signature"], name=f"{fallback_tag(index.digest)}.sig"),
    ]
    if not registry.has_api:
        for made, subject in zip(vouching, (index, children[1]), strict=False):
            listed = index_of((made.descriptor,))
            registry.put_manifest(fallback_tag(subject.digest), media.OCI_INDEX, listed)
    return index.digest, [m.digest for m in vouching]


def _push(
    registry: Memory, layers: list[bytes], *, subject: Manifest | None = None, name: str = "x"
) -> Manifest:
    config = b"{}"
    for content in (*layers, config):
        registry.blobs[str(Digest.of(content))] = content
    fields: dict[str, Any] = {}
    if subject is not None:
        fields["subject"] = Descriptor(subject.media_type, subject.digest, len(subject.content))
    made = images.manifest(config, layers, **fields)
    registry.put_manifest(str(made.digest) if name == "x" else name, made.media_type, made.content)
    return made


def _check(target: Memory, root: Digest, vouching: list[Digest]) -> None:
    """Everything is there, byte for byte, and every tag means what it says."""
    for name, content in target.blobs.items():
        assert str(Digest.of(content)) == name
    assert target.tags["released"] == str(root)
    for digest in vouching:
        assert str(digest) in target.manifests
    wanted = [str(root), *(str(d) for d in vouching)]
    while wanted:
        kind, content = target.manifests[wanted.pop()]
        manifest = Manifest(kind, content)
        assert all(str(b.digest) in target.blobs for b in manifest.blobs)
        wanted += [str(c.digest) for c in manifest.children]


class OneAfterTheOther(ThreadPoolExecutor):
    """What is submitted is done at once, in the thread that submits it."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **named))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            done.set_exception(error)
        return done


@contextmanager
def _small_and_quick(*, threads: bool) -> Iterator[None]:
    """Small pieces, so that small blobs have several; no pauses."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(retry, "_pause", lambda *_: 0.0)
        patched.setattr(downloads, "PIECE", 256)
        for module in (copying, tree) if not threads else ():
            patched.setattr(module, "ThreadPoolExecutor", OneAfterTheOther)
        yield


RATES = (0.02, 0.1, 0.3, 0.6, 0.1)  # of requests that go wrong: a copy with each of an example's


@pytest.mark.slow
@settings(max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), shape=st.tuples(*[st.booleans()] * 6))
def test_the_right_digest_or_a_clear_failure(seed: int, shape: tuple[bool, ...]) -> None:
    random = Random(seed)
    for number, rate in enumerate(RATES):
        note(f"copy {number}, of whose requests {rate:.0%} go wrong")
        with _small_and_quick(threads=(seed + number) % 10 == 0):
            source, target = Memory(*_three(shape)), Memory(*_three(shape[3:]))
            _copy_and_check(random, rate, source, target)


def _three(shape: tuple[bool, ...]) -> tuple[bool, bool, bool]:
    return shape[0], shape[1], shape[2]


def _copy_and_check(random: Random, rate: float, source: Memory, target: Memory) -> None:
    root, vouching = _fill(source)
    network = Network(random, rate, {"one.example": source, "two.example": target})
    client = Client(Chain([]))
    client.transport._pool = network  # type: ignore[assignment]
    try:
        client.copy(Image(SOURCE, root), TARGET, tag="released")
    except ShipitError:
        if "released" in target.tags:  # the answer to the last request was lost
            _check(target, root, vouching)
    else:
        _check(target, root, vouching)
    network._rate = 0
    client.copy(Image(SOURCE, root), TARGET, tag="released", whole=True)
    _check(target, root, vouching)
