"""What registries and connections answer, as shipit's errors. urllib3's own end here."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
import urllib3.exceptions
from urllib3.response import BaseHTTPResponse

from shipit.errors import PreconditionError, RemoteError
from shipit.model import codec

# Answers after which the same request may succeed (RFC 9110; 429 from every public registry).
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
# The upload session is gone: a new one can be started.
_SESSION_GONE = "BLOB_UPLOAD_UNKNOWN"
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


def read_body(response: BaseHTTPResponse) -> bytes:
    """The start of an error's body; an answer that breaks off is an answer without a body."""
    try:
        return response.read(_KEPT) or b""
    except (urllib3.exceptions.HTTPError, OSError):
        return b""
    finally:
        response.close()


def answered(response: BaseHTTPResponse, request: str, registry: str) -> RemoteError:
    """An answer that is an error. It reads the response to its end."""
    body = read_body(response)
    reasons = _reasons(body)
    status = response.status
    gone = any(c.code == _SESSION_GONE for c in _causes(body))
    return RemoteError(
        f"the registry {registry} answered {status} to {request}",
        "; ".join(reasons) or (response.reason or ""),
        request=request,
        status=status,
        reasons=reasons,
        body=body,
        temporary=status in _TEMPORARY or gone,
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
    response: BaseHTTPResponse, request: str, registry: str, keychain: str
) -> PreconditionError:
    """401 or 403. `keychain` says where the credentials were from, or why there were none."""
    said = "; ".join(_reasons(read_body(response))) or (response.reason or "")
    return refusal(registry, f"{request}: {response.status} {said}", keychain)


def refusal(registry: str, said: str, keychain: str) -> PreconditionError:
    return PreconditionError(
        f"the registry {registry} refuses the credentials",
        "\n".join(p for p in (said, keychain) if p),
        f"docker login {registry}",
    )


def unreachable(error: Exception, request: str, registry: str) -> RemoteError:
    """No answer, or one that broke off."""
    return RemoteError(
        f"the registry {registry} cannot be reached"
        if isinstance(error, _NO_CONNECTION)
        else f"the connection to the registry {registry} broke off",
        f"{request}: {_plainly(error)}",
        f"look at the network, and whether {registry} is the registry's name",
        request=request,
        temporary=not isinstance(error, urllib3.exceptions.SSLError),
    )


_NO_CONNECTION = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
    urllib3.exceptions.ProxyError,
)


def _plainly(error: BaseException) -> str:
    """The innermost cause, which is the one that tells something."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
