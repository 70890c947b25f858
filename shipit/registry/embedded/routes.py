"""The distribution specification's endpoints (spec.md, "Endpoints"), over a layout."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from shipit.model.digest import Digest
from shipit.model.image import REPOSITORY_PATH, TAG
from shipit.registry import media
from shipit.registry.embedded import answers
from shipit.registry.embedded.answers import Refused
from shipit.registry.embedded.index import Entry
from shipit.registry.embedded.wire import read_all
from shipit.registry.manifests import LIMIT, Descriptor, Manifest, index_of

if TYPE_CHECKING:
    from shipit.registry.embedded.handler import Handler

Route = Callable[["Handler", str, str], None]  # (request, repository, what is named in it)

_READS = frozenset({"GET", "HEAD"})
_BYTES = re.compile(r"bytes=(\d*)-(\d*)")


def serve(request: "Handler", path: str) -> None:
    """Answer a request. Raises Refused for what the specification has an error code for."""
    if path in ("/v2/", "/v2"):
        request.answer_json(200, {})
        return
    if request.server.read_only and request.command not in _READS:
        raise Refused(405, "UNSUPPORTED", "this registry is read-only")
    for pattern, methods in _ROUTES:
        found = pattern.fullmatch(path)
        if found:
            repository = _repository(found["name"])
            route = methods.get(request.command)
            if route is None:
                raise _not_allowed(methods)
            route(request, repository, found.groupdict().get("what", ""))
            return
    raise Refused(404, "UNSUPPORTED", f"{path} is no endpoint of a registry")


def _not_allowed(methods: dict[str, Route]) -> Refused:
    allowed = ", ".join(methods)
    return Refused(405, "UNSUPPORTED", f"methods here: {allowed}", {"Allow": allowed})


def _repository(name: str) -> str:
    if not REPOSITORY_PATH.fullmatch(name):
        raise Refused(400, "NAME_INVALID", f"{name} is not a repository's name")
    return name


def _digest(text: str) -> Digest:
    try:
        return Digest(text)
    except ValueError as error:
        raise answers.digest_invalid(str(error)) from None


def _reference(text: str) -> Digest | str:
    if ":" in text:
        return _digest(text)
    if not TAG.fullmatch(text):
        raise Refused(400, "MANIFEST_INVALID", f"{text} is not a tag")
    return text


# Blobs


def get_blob(request: "Handler", _repository: str, what: str) -> None:
    digest = _digest(what)
    path = request.server.layout.blob(digest)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise answers.blob_unknown(digest) from None
    headers = _content_headers(digest) | {"Accept-Ranges": "bytes"}
    if _is_known(request, digest):
        request.answer(304, headers=headers)
        return
    start, end, status = 0, size - 1, 200
    asked = _BYTES.fullmatch(request.headers.get("Range", ""))
    if asked and any(asked.groups()) and request.command == "GET":
        start, end = _span(asked, size)
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        status = 206
    request.answer_file(path, start=start, length=end - start + 1, status=status, headers=headers)


def _content_headers(digest: Digest) -> dict[str, str]:
    return {"Docker-Content-Digest": str(digest), "ETag": f'"{digest}"'}


def _is_known(request: "Handler", digest: Digest) -> bool:
    return f'"{digest}"' in request.headers.get("If-None-Match", "")


def _span(asked: re.Match[str], size: int) -> tuple[int, int]:
    """First and last byte of a range (RFC 9110, 14.1.2); one that is outside is refused."""
    first, last = asked.groups()
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    if not start <= end < size:
        raise Refused(416, "SIZE_INVALID", "no such range", {"Content-Range": f"bytes */{size}"})
    return start, end


def delete_blob(request: "Handler", repository: str, what: str) -> None:
    """Blobs are shared by all repositories: one that another repository uses is not deleted."""
    digest = _digest(what)
    layout = request.server.layout
    others = sorted(layout.users(digest) - {repository})
    if others:
        raise Refused(405, "UNSUPPORTED", f"blob {digest} is used by {', '.join(others)}")
    if not layout.delete_blob(digest):
        raise answers.blob_unknown(digest)
    request.answer(202)


# Uploads


def start_upload(request: "Handler", repository: str, _what: str) -> None:
    """A mount, a whole blob in one POST, or a new upload."""
    uploads = request.server.uploads
    mount, digest = request.query.get("mount"), request.query.get("digest")
    if mount and request.server.layout.has_blob(_digest(mount)):
        _created(request, repository, _digest(mount))
    elif digest:
        name = uploads.start()
        _finish(request, repository, name, _digest(digest))
    else:
        _accepted(request, repository, uploads.start(), 0)


def _created(request: "Handler", repository: str, digest: Digest) -> None:
    location = f"/v2/{repository}/blobs/{digest}"
    request.answer(201, headers={"Location": location, "Docker-Content-Digest": str(digest)})


def _accepted(request: "Handler", repository: str, name: str, size: int, status: int = 202) -> None:
    request.answer(
        status,
        headers={
            "Location": f"/v2/{repository}/blobs/uploads/{name}",
            "Range": f"0-{max(size - 1, 0)}",
            "Docker-Upload-UUID": name,
        },
    )


def _finish(request: "Handler", repository: str, name: str, digest: Digest) -> None:
    content_range = request.headers.get("Content-Range")
    request.server.uploads.finish(name, request.body, content_range, digest)
    _created(request, repository, digest)


def get_upload(request: "Handler", repository: str, what: str) -> None:
    _accepted(request, repository, what, request.server.uploads.size(what), 204)


def patch_upload(request: "Handler", repository: str, what: str) -> None:
    content_range = request.headers.get("Content-Range")
    size = request.server.uploads.append(what, request.body, content_range)
    _accepted(request, repository, what, size)


def put_upload(request: "Handler", repository: str, what: str) -> None:
    _finish(request, repository, what, _digest(request.query.get("digest", "")))


def delete_upload(request: "Handler", _repository: str, what: str) -> None:
    request.server.uploads.cancel(what)
    request.answer(204)


# Manifests


def get_manifest(request: "Handler", repository: str, what: str) -> None:
    layout = request.server.layout
    entry = layout.find(repository, _reference(what))
    if entry is None:
        raise answers.manifest_unknown(repository, what)
    headers = _content_headers(entry.digest)
    if _is_known(request, entry.digest):
        request.answer(304, headers=headers)
        return
    try:
        content = layout.blob(entry.digest).read_bytes()
    except FileNotFoundError:
        raise answers.manifest_unknown(repository, what) from None
    request.answer(200, content, media_type=entry.descriptor.media_type, headers=headers)


def put_manifest(request: "Handler", repository: str, what: str) -> None:
    reference = _reference(what)
    content = read_all(request.body, LIMIT)
    manifest = _parse(request.headers.get("Content-Type", ""), content, reference)
    missing = request.server.layout.missing(repository, manifest)
    if missing:
        raise Refused(
            404, "MANIFEST_BLOB_UNKNOWN", f"not here yet: {', '.join(str(d) for d in missing)}"
        )
    tag = "" if isinstance(reference, Digest) else reference
    request.server.layout.add(repository, tag, manifest)
    headers = _content_headers(manifest.digest)
    headers["Location"] = f"/v2/{repository}/manifests/{manifest.digest}"
    if manifest.subject and request.server.referrers:
        headers["OCI-Subject"] = str(manifest.subject)
    request.answer(201, headers=headers)


def _parse(content_type: str, content: bytes, reference: Digest | str) -> Manifest:
    """The manifest, with the digest it was sent under; refused when anything does not fit."""
    digest = Digest.of(content)
    if isinstance(reference, Digest):
        digest = Digest.of(content, reference.algorithm)
        if digest != reference:
            raise answers.digest_invalid(f"the content is {digest}, not {reference}")
    try:
        declared = Manifest("", content, digest).document.media_type or ""
    except ValueError as error:
        raise Refused(400, "MANIFEST_INVALID", str(error)) from None
    media_type = content_type.partition(";")[0].strip() or declared
    if declared and declared != media_type:
        raise Refused(400, "MANIFEST_INVALID", f"{declared} was sent as {media_type}")
    if media_type not in media.MANIFESTS:
        raise Refused(415, "MANIFEST_INVALID", f"{media_type or 'nothing'} is no manifest's type")
    return Manifest(media_type, content, digest)


def delete_manifest(request: "Handler", repository: str, what: str) -> None:
    reference = _reference(what)
    layout = request.server.layout
    if not layout.index().has(repository):
        raise answers.name_unknown(repository)
    if layout.find(repository, reference) is None:
        raise answers.manifest_unknown(repository, what)
    if isinstance(reference, Digest):
        layout.change(lambda index: index.without_digest(repository, reference))
    else:
        layout.change(lambda index: index.without_tag(repository, reference))
    request.answer(202)


# Discovery


def list_tags(request: "Handler", repository: str, _what: str) -> None:
    index = request.server.layout.index()
    if not index.has(repository):
        raise answers.name_unknown(repository)
    last = request.query.get("last", "")
    tags = [t for t in index.tags(repository) if t > last]
    headers = {}
    asked = request.query.get("n", "")
    if asked.isdigit():
        count = int(asked)
        if 0 < count < len(tags):
            query = urlencode({"n": count, "last": tags[count - 1]})
            headers["Link"] = f'</v2/{repository}/tags/list?{query}>; rel="next"'
        tags = tags[:count]
    request.answer_json(200, {"name": repository, "tags": tags}, headers)


def list_referrers(request: "Handler", repository: str, what: str) -> None:
    if not request.server.referrers:
        raise Refused(404, "UNSUPPORTED", "the referrers API is off")
    layout = request.server.layout
    found = [_describe(request, e) for e in layout.index().referrers(repository, _digest(what))]
    wanted = request.query.get("artifactType")
    headers = {}
    if wanted:
        found = [d for d in found if d.artifact_type == wanted]
        headers["OCI-Filters-Applied"] = "artifactType"
    request.answer(200, index_of(tuple(found)), media_type=media.OCI_INDEX, headers=headers)


def _describe(request: "Handler", entry: Entry) -> Descriptor:
    return request.server.layout.manifest(entry).descriptor


_NAME = r"/v2/(?P<name>.+)"
_ROUTES: tuple[tuple[re.Pattern[str], dict[str, Route]], ...] = (
    (re.compile(_NAME + "/blobs/uploads/?"), {"POST": start_upload}),
    (
        re.compile(_NAME + "/blobs/uploads/(?P<what>[^/]+)"),
        {"GET": get_upload, "PATCH": patch_upload, "PUT": put_upload, "DELETE": delete_upload},
    ),
    (
        re.compile(_NAME + "/blobs/(?P<what>[^/]+)"),
        {"GET": get_blob, "HEAD": get_blob, "DELETE": delete_blob},
    ),
    (
        re.compile(_NAME + "/manifests/(?P<what>[^/]+)"),
        {
            "GET": get_manifest,
            "HEAD": get_manifest,
            "PUT": put_manifest,
            "DELETE": delete_manifest,
        },
    ),
    (re.compile(_NAME + "/tags/list"), {"GET": list_tags}),
    (re.compile(_NAME + "/referrers/(?P<what>[^/]+)"), {"GET": list_referrers}),
)
