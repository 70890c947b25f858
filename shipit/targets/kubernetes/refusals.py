"""What an API server answers when it does not do what it was asked, in our own words. Pure.

Its body is a Status (meta/v1): a message, a reason, and causes with a field each.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from shipit.errors import PreconditionError, RemoteError, ShipitError

_CONFLICT = "FieldManagerConflict"
_OWNER = re.compile(r'conflict with "(?P<manager>[^"]*)"')
# KEP-1693 (RFC 7234, 5.5): `299 - "text"`, once for each.
_WARNING = re.compile(r'299 [^ ]+ "((?:[^"\\]|\\.)*)"')
_LONGEST = 2000  # characters of a message: a webhook may answer with a page
_TEMPORARY = frozenset({429, 500, 502, 503, 504})
_LASTING = ("webhook", "failed to create typed patch object")
_OF_RIGHTS = frozenset({401, 403})
GONE = 410
# Of a group that is not there, and of a kind that is not in its group: neither names the kind.
_NOT_SERVED = frozenset({"the server could not find the requested resource", "404 page not found"})
_KIND = re.compile(r"/apis?/(?P<version>.+?)(?:/namespaces/[^/]+)?/(?P<plural>[^/]+)(?:/[^/]+)?")
T = TypeVar("T")


class Cause(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""
    field: str = ""


class Details(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    kind: str = ""
    causes: tuple[Cause, ...] | None = None
    retry_after_seconds: int = 0


class Status(msgspec.Struct, frozen=True):
    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None

    @property
    def causes(self) -> tuple[Cause, ...]:
        return (self.details.causes or ()) if self.details else ()


class Conflict(msgspec.Struct, frozen=True):
    """A field that somebody else owns: `spec.replicas`, and the field manager."""

    field: str
    manager: str

    def __str__(self) -> str:
        return f"{self.field} is owned by {self.manager}"


class FieldConflictError(RemoteError):
    """Server-side apply was refused: fields with other values are somebody else's."""

    conflicts: tuple[Conflict, ...] = ()


class UnknownKindError(PreconditionError):
    """The cluster has no such kind, or not in that version."""


def read(body: bytes) -> Status:
    """A proxy's or load balancer's page is no Status: its text is the message."""
    try:
        return msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError:
        text = " ".join(body[:_LONGEST].decode(errors="replace").split())
        return Status(message=text[:200])


def refused(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    request: str,
    hint: str = "",
    *,
    settling: bool = False,
) -> ShipitError:
    """The error for an answer. `hint` says what to do about credentials that are not taken.

    `settling`: the server was away a moment ago. It answers before its informers are there, and
    until then it knows neither service accounts nor Roles: such a no may pass.
    """
    said = read(body)
    message = said.message[:_LONGEST] or f"it answered {status}"
    if status == 404 and message in _NOT_SERVED:
        message = _not_served(request) or message
    if status == 401 and not settling:
        return PreconditionError(
            "the cluster does not take our credentials", message, hint or "log in again"
        )
    conflicts = _conflicts(said.causes)
    kind = FieldConflictError if conflicts else RemoteError
    error = kind(
        f"the API server refused {request}",
        message,
        _next_step(status, said) or (hint if status == 401 else ""),
        request=request,
        status=status,
        reasons=(said.reason, *(f"{c.field}: {c.message}" for c in said.causes)),
        body=body[:_LONGEST],
        temporary=_is_passing(status, headers, said) or (settling and status in _OF_RIGHTS),
        retry_after=_retry_after(headers, said),
    )
    if isinstance(error, FieldConflictError):
        error.conflicts = conflicts
    return error


def _conflicts(causes: Sequence[Cause]) -> tuple[Conflict, ...]:
    found = []
    for cause in causes:
        owner = _OWNER.search(cause.message)
        if cause.reason == _CONFLICT and owner:
            found.append(Conflict(cause.field.lstrip("."), owner["manager"]))
    return tuple(found)


def _not_served(request: str) -> str:
    """`PATCH /apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web`, in words."""
    found = _KIND.fullmatch(request.partition(" ")[2])
    return f"the cluster has no {found['plural']} in {found['version']}" if found else ""


def _next_step(status: int, said: Status) -> str:
    if status == 404 and said.message in _NOT_SERVED:
        return "install its CustomResourceDefinition; `kubectl api-resources` shows what there is"
    if status == 403 and "forbidden: User" in said.message:
        return "`shipit rbac` prints the Role that shipit needs"
    if status == 403 and "exceeded quota" in said.message:
        return "ask for less, or raise the ResourceQuota of the namespace"
    return ""


def _is_passing(status: int, headers: Mapping[str, str], said: Status) -> bool:
    """The server is there and cannot do it now. As client-go has it (rest/with_retry.go) wherever
    it names a time; without one a 500 is its own trouble (etcd changes its leader), or that of a
    webhook, which is somebody else's, or a field that no schema has: these are told at once."""
    if status >= 500 and "Retry-After" in headers:
        return True
    lasting = status == 500 and any(words in said.message for words in _LASTING)
    return status in _TEMPORARY and not lasting


def _retry_after(headers: Mapping[str, str], said: Status) -> float:
    word = headers.get("Retry-After", "")
    if word.isdecimal():
        return float(word)
    return float(said.details.retry_after_seconds) if said.details else 0.0


def decoded(body: bytes, decoder: "msgspec.json.Decoder[T]", request: str) -> T:
    """Raises RemoteError for what is no answer of an API server: a login page, cut-off JSON."""
    try:
        return decoder.decode(body)
    except msgspec.MsgspecError as error:
        begins = " ".join(body[:60].decode(errors="replace").split())
        raise RemoteError(
            f"the answer to {request} cannot be understood",
            f"{error}; it begins with: {begins}",
            "look at what is between here and the API server: a proxy, a login page",
            request=request,
            body=body[:_LONGEST],
        ) from None


def warnings(headers: Mapping[str, str]) -> tuple[str, ...]:
    """What the server lets pass and has something to say about, as sentences, each once."""
    found = _WARNING.findall(headers.get("Warning", ""))
    plain = (" ".join(re.sub(r"\\(.)", r"\1", text).split())[:_LONGEST] for text in found)
    return tuple(dict.fromkeys(plain))


def lacking_namespace(error: Exception) -> str:
    """The namespace that is not there, of what would be in it (the NamespaceLifecycle admission);
    "" where that is not the matter."""
    if not isinstance(error, RemoteError) or error.status != 404:
        return ""
    about = read(error.body).details
    return about.name if about and about.kind == "namespaces" else ""


def is_forbidden(error: Exception) -> bool:
    return isinstance(error, RemoteError) and error.status == 403


def unreached(request: str, access_name: str, said: str, hint: str) -> RemoteError:
    """No connection came about, or it broke before the answer's end."""
    return RemoteError(
        f"the API server of {access_name} does not answer {request}",
        said,
        hint or "check the network, the VPN and that the cluster is up",
        request=request,
        temporary=True,
    )


def in_words(error: ShipitError) -> str:
    """One sentence for a reason: the server's own message where there is one."""
    return " ".join((error.why or error.what).split())
