"""What registries and connections answer, as shipit's errors. http.client's own end here."""

import http.client
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.model import codec
from shipit.registry import aws, google
from shipit.registry.connections import Response, UnreachableError

# Answers after which the same request may succeed (RFC 9110; 429 from every public registry).
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
# The upload session is gone: a new one can be started.
_SESSION_GONE = "BLOB_UPLOAD_UNKNOWN"
# docker-registry answers 500 to a manifest with foreign layers: it is not going to like it more.
_FOR_GOOD = "MANIFEST_BLOB_UNKNOWN"
_KEPT = 64 * 1024  # bytes of an error's body


class Cause(msgspec.Struct, frozen=True):
    """One of `errors` (distribution-spec, "Error Codes")."""

    code: str = ""
    message: str = ""


class Causes(msgspec.Struct, frozen=True):
    errors: tuple[Cause, ...] = ()


def _causes(body: bytes) -> tuple[Cause, ...]:
    try:
        return codec.decode(body, Causes).errors
    except ValueError:
        return ()


def _reasons(body: bytes) -> list[str]:
    return [": ".join(p for p in (c.code, c.message) if p) for c in _causes(body)]


def read_body(response: Response) -> bytes:
    """The start of an error's body; an answer that breaks off is an answer without a body."""
    try:
        return response.read(_KEPT)
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        response.close()


def answered(response: Response, request: str, registry: str, body: bytes) -> RemoteError:
    """An answer that is an error, with its body as it may be shown."""
    reasons = _reasons(body)
    status = response.status
    codes = {c.code for c in _causes(body)}
    return RemoteError(
        f"the registry {registry} answered {status} to {request}",
        "; ".join(reasons) or (response.reason or ""),
        request=request,
        status=status,
        reasons=reasons,
        body=body,
        temporary=(status in _TEMPORARY and _FOR_GOOD not in codes) or _SESSION_GONE in codes,
        retry_after=retry_after(response.headers.get("Retry-After", "")),
    )


def retry_after(value: str) -> float:
    """Seconds (RFC 9110, 10.2.3: a number or a date); 0 when there is none."""
    if value.isdigit():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return 0.0


def refused(
    response: Response, request: str, registry: str, body: bytes, keychain: str
) -> PreconditionError:
    """401 or 403. `keychain` says where the credentials were from, or why there were none."""
    said = "; ".join(_reasons(body)) or (response.reason or "")
    return refusal(registry, f"{request}: {response.status} {said}", keychain)


def refusal(registry: str, said: str, keychain: str) -> PreconditionError:
    return PreconditionError(
        f"the registry {registry} refuses the credentials",
        "\n".join(p for p in (said, keychain) if p),
        _way_in(registry),
    )


def _way_in(registry: str) -> str:
    """What gives a person credentials for it."""
    if aws.parse(registry) is not None:
        return "look at whose credentials AWS sees: `aws sts get-caller-identity`"
    if google.parse(registry) is not None:
        return "gcloud auth application-default login"
    return f"docker login {registry}"


def unreachable(error: Exception, request: str, registry: str) -> RemoteError:
    """No answer, or one that broke off."""
    cause = error.__cause__ if isinstance(error, UnreachableError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _untrusted(cause, request, registry)
    return RemoteError(
        f"the registry {registry} cannot be reached"
        if isinstance(error, UnreachableError)
        else f"the connection to the registry {registry} broke off",
        f"{request}: {_plainly(error)}",
        f"look at the network, and whether {registry} is the registry's name",
        request=request,
        temporary=True,
    )


def _untrusted(error: ssl.SSLCertVerificationError, request: str, registry: str) -> RemoteError:
    return RemoteError(
        f"the certificate of the registry {registry} is not trusted",
        f"{request}: {error.verify_message or error}",
        f"put its authority into /etc/docker/certs.d/{registry}/ca.crt, or set SSL_CERT_FILE",
        request=request,
    )


def _plainly(error: BaseException) -> str:
    """The innermost cause, which is the one that tells something."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
