"""Manifests, tags and referrers over the distribution protocol."""

import re
from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import urlencode, urljoin

import msgspec
from urllib3.response import BaseHTTPResponse

from shipit.errors import PreconditionError, RemoteError
from shipit.model import codec
from shipit.model.digest import Digest
from shipit.registry import address, media
from shipit.registry.manifests import LIMIT, Descriptor, Manifest, index_of
from shipit.registry.transport import Call, Transport, discard, read

_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


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
    digest = _proven(response, call, content, reference)
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    try:
        manifest = Manifest(media_type, content, digest)
    except ValueError as error:
        raise RemoteError(
            f"{call.title}: what came is not a manifest", str(error), request=call.title
        ) from None
    declared = manifest.document.media_type
    return Manifest(declared, content, digest) if declared else manifest


def _proven(
    response: BaseHTTPResponse, call: Call, content: bytes, reference: Digest | str
) -> Digest:
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
    between = "@" if isinstance(reference, Digest) else ":"
    return PreconditionError(
        f"{repository}{between}{reference} is not there",
        f"the registry {repository.partition('/')[0]} has no such manifest",
        "push it, or name what the repository has",
    )


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
    """Every tag, `page` at a request. Raises PreconditionError when there is no such repository."""
    registry, path = address.split(repository)
    target = f"/v2/{path}/tags/list?{urlencode({'n': page})}"
    while target:
        call = Call("GET", registry, target, (f"repository:{path}:pull",), expect=(200, 404))
        response = transport.send(call)
        if response.status == 404:
            discard(response)
            raise PreconditionError(
                f"the registry {registry} has no repository {path}",
                next_step="push an image to it, or look at the name",
            )
        content = read(response, LIMIT, call.title, registry)
        yield from _decoded(content, TagList, call).tags or ()
        target = _next(response, call)


def _next(response: BaseHTTPResponse, call: Call) -> str:
    """The next page (RFC 8288); its address may be relative. "" when this was the last."""
    found = _NEXT.search(response.headers.get("Link", ""))
    return urljoin(call.url, found[1]) if found else ""


def referrers(
    transport: Transport, repository: str, digest: Digest, artifact_type: str = ""
) -> tuple[Descriptor, ...]:
    """What refers to a manifest, by the referrers API, or by the fallback tag where a registry has
    none (distribution-spec, "Unavailable Referrers API")."""
    found = _by_api(transport, repository, digest, artifact_type)
    if found is None:
        found = _by_tag(transport, repository, digest)
    return tuple(d for d in found if not artifact_type or d.artifact_type == artifact_type)


def _by_api(
    transport: Transport, repository: str, digest: Digest, artifact_type: str = ""
) -> tuple[Descriptor, ...] | None:
    registry, path = address.split(repository)
    query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
    target = f"/v2/{path}/referrers/{digest}{query}"
    found: list[Descriptor] = []
    while target:
        call = Call(
            "GET",
            registry,
            target,
            (f"repository:{path}:pull",),
            {"Accept": media.OCI_INDEX},
            expect=(200, 404),
        )
        response = transport.send(call)
        kind = response.headers.get("Content-Type", "")
        if response.status == 404 or not kind.startswith(media.OCI_INDEX):
            discard(response)
            return None
        content = read(response, LIMIT, call.title, registry)
        found += _decoded(content, ManifestList, call).manifests or ()
        target = _next(response, call)
    return tuple(found)


class ManifestList(msgspec.Struct, frozen=True):
    manifests: tuple[Descriptor, ...] | None = None


T = TypeVar("T")


def _decoded(content: bytes, kind: type[T], call: Call) -> T:
    try:
        return codec.decode(content, kind)
    except ValueError as error:
        raise RemoteError(
            f"{call.title}: the answer is not what the specification says",
            str(error),
            request=call.title,
        ) from None


def fallback_tag(digest: Digest) -> str:
    """`sha256-<hex>` (distribution-spec, "Referrers Tag Schema"; at most 64 digits of it)."""
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"


def _by_tag(transport: Transport, repository: str, digest: Digest) -> tuple[Descriptor, ...]:
    listed = find(transport, repository, fallback_tag(digest))
    return listed.children if listed else ()


def note_referrer(transport: Transport, repository: str, manifest: Manifest) -> None:
    """Add a referrer to its subject's fallback tag, where the registry has no referrers API.

    The API is asked, not the OCI-Subject header: ECR sends the header without having the API.
    """
    subject = manifest.subject
    if subject is None or _by_api(transport, repository, subject) is not None:
        return
    listed = _by_tag(transport, repository, subject)
    if all(d.digest != manifest.digest for d in listed):
        index = Manifest(media.OCI_INDEX, index_of((*listed, manifest.descriptor)))
        put(transport, repository, index, fallback_tag(subject))
