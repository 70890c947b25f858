"""Blobs over the distribution protocol: read and hashed as they pass, sent in one streamed PUT."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, urlencode, urljoin, urlsplit, urlunsplit

from urllib3.response import BaseHTTPResponse

from shipit.errors import PreconditionError, RemoteError
from shipit.model.digest import Digest
from shipit.registry import address, media
from shipit.registry.transport import Call, Transport, discard, pieces

Source = Callable[[], Iterable[bytes]]  # the content from its start, each time it is called


def head(transport: Transport, repository: str, digest: Digest) -> int | None:
    """The blob's size in bytes; None when the repository does not have it."""
    registry, path = address.split(repository)
    call = Call("HEAD", registry, f"/v2/{path}/blobs/{digest}", _pull(path), expect=(200, 404))
    response = transport.send(call)
    size = int(response.headers.get("Content-Length", "0"))
    return size if discard(response) == 200 else None


def stream(transport: Transport, repository: str, digest: Digest) -> Iterator[bytes]:
    """The content, piece by piece. The last piece is given only when the whole has the digest.

    Raises PreconditionError when the repository does not have it, RemoteError (temporary) when the
    content is another one.
    """
    registry, path = address.split(repository)
    call = Call("GET", registry, f"/v2/{path}/blobs/{digest}", _pull(path), expect=(200, 404))
    response = transport.send(call)
    if response.status == 404:
        discard(response)
        raise missing(repository, digest)
    return verified(pieces(response, call.title, registry), digest, call.title)


def verified(content: Iterable[bytes], digest: Digest, title: str) -> Iterator[bytes]:
    """Passes on what it hashes, one piece behind: a receiver never gets a whole wrong blob."""
    whole = hashlib.new(digest.algorithm)
    held = b""
    for piece in content:
        if held:
            yield held
        whole.update(piece)
        held = piece
    if whole.hexdigest() != digest.hex:
        raise RemoteError(
            f"{title}: the content does not have the digest {digest}",
            f"it is {digest.algorithm}:{whole.hexdigest()}",
            "something between here and the registry changed it, or the registry is damaged",
            request=title,
            temporary=True,
        )
    if held:
        yield held


def missing(repository: str, digest: Digest) -> PreconditionError:
    return PreconditionError(
        f"{repository} has no blob {digest}",
        "an image there refers to it, but the registry does not hold it",
        "push the image again, or promote another release",
    )


def put(
    transport: Transport,
    repository: str,
    digest: Digest,
    size: int,
    source: Source,
    *,
    session: str = "",
) -> None:
    """POST for an upload (unless a refused mount gave one: `session`), then one streamed PUT.

    Never PATCHed in chunks: ECR loses data without an error then.
    """
    registry, path = address.split(repository)
    if not session:
        call = Call(
            "POST",
            registry,
            f"/v2/{path}/blobs/uploads/",
            _push(path),
            {"Content-Length": "0"},
            expect=(202,),
        )
        session = _session(transport.send(call), call)
    finish = Call(
        "PUT",
        registry,
        _with_digest(session, digest),
        _push(path),
        {"Content-Type": media.OCTETS, "Content-Length": str(size)},
        body=source if size else b"",
        expect=(201,),
    )
    discard(transport.send(finish))


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
        (*_push(path), f"repository:{source}:pull"),
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


def _session(response: BaseHTTPResponse, call: Call) -> str:
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


def _pull(path: str) -> tuple[str, ...]:
    return (f"repository:{path}:pull",)


def _push(path: str) -> tuple[str, ...]:
    return (f"repository:{path}:pull,push",)
