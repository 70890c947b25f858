"""Manifests and tags over the distribution protocol."""

import re
from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import urlencode, urljoin

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.model import codec
from shipit.model.digest import Digest
from shipit.registry import address, media
from shipit.registry.connections import Response
from shipit.registry.manifests import LIMIT, Descriptor, Manifest
from shipit.registry.transport import Call, Transport, discard, read

PAGE = 1000  # tags asked for at once
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


class NoRepositoryError(PreconditionError):
    """Nothing was ever pushed there, or nothing with a tag."""


class OldFormatError(PreconditionError):
    """A manifest of a format that registries have given up."""


class TagList(msgspec.Struct, frozen=True):
    """`tags` is null for an empty repository in some registries."""

    tags: tuple[str, ...] | None = None


def head(transport: Transport, repository: str, reference: Digest | str) -> Descriptor | None:
    """Type, digest and size of a manifest; None when the repository does not have it."""
    call = _reading("HEAD", repository, reference)
    response = transport.send(call)
    headers = response.headers
    if discard(response) == 404:
        return None
    digest = headers.get("Docker-Content-Digest") or (
        str(reference) if isinstance(reference, Digest) else ""
    )
    if not digest:  # a registry from before the header was required
        found = find(transport, repository, reference)
        return found.descriptor if found else None
    media_type = headers.get("Content-Type", "").partition(";")[0]
    return Descriptor(media_type, Digest(digest), int(headers.get("Content-Length", "0")))


def find(transport: Transport, repository: str, reference: Digest | str) -> Manifest | None:
    """A manifest, its bytes proven against its digest; None when it is not there."""
    call = _reading("GET", repository, reference)
    response = transport.send(call)
    if response.status == 404:
        discard(response)
        return None
    content = read(response, LIMIT, call.title, call.registry)
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    _refuse_old(media_type, content, repository, reference)
    digest = _proven(response, call, content, reference)
    try:
        manifest = Manifest(media_type, content, digest)
    except ValueError as error:
        raise RemoteError(
            f"{call.title}: what came is not a manifest", str(error), request=call.title
        ) from None
    declared = manifest.document.media_type
    return Manifest(declared, content, digest) if declared else manifest


def _refuse_old(media_type: str, content: bytes, repository: str, reference: Digest | str) -> None:
    """Formats that cannot be copied by digest, refused by their name."""
    name = media.REFUSED.get(media_type, "")
    if not name and b'"schemaVersion"' in content and b'"fsLayers"' in content:
        name = media.SCHEMA_1
    if name:
        raise OldFormatError(
            f"{_at(repository, reference)} is {name}",
            "registries have given that format up, and no engine of today runs it",
            "build the image again, or push it again with a tool of today",
        )


def _proven(response: Response, call: Call, content: bytes, reference: Digest | str) -> Digest:
    claimed = response.headers.get("Docker-Content-Digest", "")
    expected = reference if isinstance(reference, Digest) else None
    if expected is None and claimed:
        expected = Digest(claimed)
    digest = Digest.of(content, expected.algorithm if expected else "sha256")
    if expected is not None and digest != expected:
        raise RemoteError(
            f"{call.title}: the content does not have the digest {expected}",
            f"it is {digest}",
            "something between here and the registry changed it, or the registry is damaged",
            request=call.title,
            temporary=True,
        )
    return digest


def _reading(method: str, repository: str, reference: Digest | str) -> Call:
    registry, path = address.split(repository)
    return Call(
        method,
        registry,
        f"/v2/{path}/manifests/{reference}",
        (f"repository:{path}:pull",),
        {"Accept": media.ACCEPT},
        expect=(200, 404),
    )


def missing(repository: str, reference: Digest | str) -> PreconditionError:
    return PreconditionError(
        f"{_at(repository, reference)} is not there",
        f"the registry {repository.partition('/')[0]} has no such manifest",
        "push it, or name what the repository has",
    )


def _at(repository: str, reference: Digest | str) -> str:
    return f"{repository}{'@' if isinstance(reference, Digest) else ':'}{reference}"


def put(transport: Transport, repository: str, manifest: Manifest, tag: str = "") -> bool:
    """Under its digest, or under a tag; the bytes as they are. Whether the registry said that it
    took note of the manifest's subject."""
    registry, path = address.split(repository)
    call = Call(
        "PUT",
        registry,
        f"/v2/{path}/manifests/{tag or manifest.digest}",
        (f"repository:{path}:pull,push",),
        {"Content-Type": manifest.media_type},
        body=manifest.content,
        expect=(201, 200, 202),
    )
    response = transport.send(call)
    claimed = response.headers.get("Docker-Content-Digest")
    noted = "OCI-Subject" in response.headers
    discard(response)
    if claimed and claimed != str(manifest.digest) and manifest.digest.algorithm == "sha256":
        raise RemoteError(
            f"{call.title}: the registry stored another manifest",
            f"it says {claimed}, sent was {manifest.digest}",
            request=call.title,
            temporary=True,  # a tag that points elsewhere now is written again
        )
    return noted


def delete(transport: Transport, repository: str, reference: Digest | str) -> bool:
    """A manifest with its tags, or a tag alone. False when it was not there."""
    registry, path = address.split(repository)
    call = Call(
        "DELETE",
        registry,
        f"/v2/{path}/manifests/{reference}",
        (f"repository:{path}:delete,pull,push",),
        expect=(202, 200, 204, 404),
    )
    return discard(transport.send(call)) != 404


def tags(transport: Transport, repository: str, page: int) -> Iterator[str]:
    """Every tag, `page` at a request. Raises NoRepositoryError."""
    registry, path = address.split(repository)
    target = f"/v2/{path}/tags/list?{urlencode({'n': page})}"
    while target:
        call = Call("GET", registry, target, (f"repository:{path}:pull",), expect=(200, 404))
        response = transport.send(call)
        if response.status == 404:
            discard(response)
            raise NoRepositoryError(
                f"the registry {registry} has no repository {path}",
                next_step="push an image to it, or look at the name",
            )
        content = read(response, LIMIT, call.title, registry)
        yield from decoded(content, TagList, call).tags or ()
        target = next_page(response, call)


def next_page(response: Response, call: Call) -> str:
    """The next page (RFC 8288); its address may be relative. "" when this was the last."""
    found = _NEXT.search(response.headers.get("Link", ""))
    return urljoin(call.url, found[1]) if found else ""


T = TypeVar("T")


def decoded(content: bytes, kind: type[T], call: Call) -> T:
    try:
        return codec.decode(content, kind)
    except ValueError as error:
        raise RemoteError(
            f"{call.title}: the answer is not what the specification says",
            str(error),
            request=call.title,
        ) from None
