"""Blobs over the distribution protocol: asked for, sent in one streamed PUT, mounted, deleted."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, urlencode, urljoin, urlsplit, urlunsplit

from shipit.errors import RemoteError
from shipit.model.digest import Digest
from shipit.registry import address, media
from shipit.registry.connections import Response
from shipit.registry.downloads import long, missing, pull_scope, wrong
from shipit.registry.transport import ANSWER, CHUNK, Call, Transport, discard, pieces

Source = Callable[[], Iterable[bytes | memoryview]]  # from its start, each time it is called

_SETTLING = 10 * 1024 * 1024  # bytes a second that a registry may take to put a blob in its place
_RECEIVED = re.compile(r"0-(\d+)")


def head(transport: Transport, repository: str, digest: Digest) -> int | None:
    """The blob's size in bytes; None when the repository does not have it."""
    registry, path = address.split(repository)
    target = f"/v2/{path}/blobs/{digest}"
    call = Call("HEAD", registry, target, pull_scope(path), expect=(200, 404))
    response = transport.send(call)
    size = int(response.headers.get("Content-Length", "0"))
    return size if discard(response) == 200 else None


def stream(transport: Transport, repository: str, digest: Digest) -> Iterator[bytes]:
    """The content, piece by piece. The last piece is given only when the whole has the digest.

    Raises PreconditionError when the repository does not have it, RemoteError (temporary) when the
    content is another one.
    """
    registry, path = address.split(repository)
    call = Call("GET", registry, f"/v2/{path}/blobs/{digest}", pull_scope(path), expect=(200, 404))
    response = transport.send(call)
    if response.status == 404:
        discard(response)
        raise missing(repository, digest)
    buffer = memoryview(bytearray(CHUNK))
    return _verified(pieces(response, call.title, registry, buffer), digest, call.title)


def _verified(content: Iterable[memoryview], digest: Digest, title: str) -> Iterator[bytes]:
    """Passes on what it hashes, one piece behind: a receiver never gets a whole wrong blob."""
    whole = hashlib.new(digest.algorithm)
    held = b""
    for piece in content:
        if held:
            yield held
        whole.update(piece)
        held = bytes(piece)
    if whole.hexdigest() != digest.hex:
        raise wrong(digest, title, f"it is {digest.algorithm}:{whole.hexdigest()}")
    if held:
        yield held


def begin(transport: Transport, repository: str) -> str:
    """A new upload's URL."""
    registry, path = address.split(repository)
    target = f"/v2/{path}/blobs/uploads/"
    call = Call("POST", registry, target, push_scope(path), {"Content-Length": "0"}, expect=(202,))
    return _session(transport.send(call), call)


def put(
    transport: Transport,
    repository: str,
    digest: Digest,
    size: int,
    source: Source,
    *,
    session: str = "",
    start: int = 0,
) -> None:
    """One streamed PUT to an upload (a new one, unless `session` names one).

    `start` is how many of the `size` bytes the upload has already; `source` gives the others.
    Never PATCHed in chunks: ECR loses data without an error then.
    """
    registry, path = address.split(repository)
    left = size - start
    headers = {"Content-Type": media.OCTETS, "Content-Length": str(left)}
    if start and left:
        headers["Content-Range"] = f"{start}-{size - 1}"
    call = Call(
        "PUT",
        registry,
        _with_digest(session or begin(transport, repository), digest),
        push_scope(path),
        headers,
        body=source if left else b"",
        expect=(201,),
        deadline=long(size),
        answer=ANSWER + size / _SETTLING,
    )
    discard(transport.send(call))


def received(transport: Transport, repository: str, session: str) -> tuple[int, str]:
    """How many bytes of a broken upload the registry has kept, and where the rest goes; 0 when it
    kept nothing, or does not tell (distribution-spec, "Pushing a blob in chunks")."""
    registry, path = address.split(repository)
    call = Call("GET", registry, session, push_scope(path), expect=(204, 200, 404, 405, 400))
    response = transport.send(call)
    found = _RECEIVED.fullmatch(response.headers.get("Range", "").removeprefix("bytes="))
    if response.status != 204 or not found or "Location" not in response.headers:
        discard(response)
        return 0, session
    last = int(found[1])
    return (last + 1 if last else 0), _session(response, call)


def mount(transport: Transport, repository: str, digest: Digest, source: str) -> str:
    """Have the registry take the blob from another of its repositories, whose path is `source`.

    "" when it did; else where it wants the upload instead.
    """
    registry, path = address.split(repository)
    query = urlencode({"mount": str(digest), "from": source})
    call = Call(
        "POST",
        registry,
        f"/v2/{path}/blobs/uploads/?{query}",
        (*push_scope(path), *pull_scope(source)),
        {"Content-Length": "0"},
        expect=(201, 202),
    )
    response = transport.send(call)
    if response.status == 202:
        return _session(response, call)
    discard(response)
    return ""


def delete(transport: Transport, repository: str, digest: Digest) -> bool:
    """False when it was not there."""
    registry, path = address.split(repository)
    scopes = (f"repository:{path}:delete,pull,push",)
    target = f"/v2/{path}/blobs/{digest}"
    call = Call("DELETE", registry, target, scopes, expect=(202, 204, 200, 404))
    return discard(transport.send(call)) != 404


def _session(response: Response, call: Call) -> str:
    """The upload's URL: a Location may be relative, and may have lost its HTTPS to a proxy that
    ends TLS in front of the registry."""
    location = response.headers.get("Location", "")
    discard(response)
    if not location:
        raise RemoteError(f"{call.title}: an upload without a Location", request=call.title)
    url, home = urlsplit(urljoin(call.url, location)), urlsplit(call.url)
    if url.netloc == home.netloc:
        url = url._replace(scheme=home.scheme)
    return urlunsplit(url)


def _with_digest(session: str, digest: Digest) -> str:
    return f"{session}{'&' if '?' in session else '?'}digest={quote(str(digest))}"


def push_scope(path: str) -> tuple[str, ...]:
    return (f"repository:{path}:pull,push",)
