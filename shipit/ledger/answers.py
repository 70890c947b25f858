"""What an object store's refusals mean.

obstore gives its errors as text and nothing better, so this is the one place that reads them; the
tests hold it to what obstore says of real answers.
"""

import re

from shipit.errors import NoBucketError, PreconditionError, RemoteError, ShipitError, StoreError

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9]+)</Code>")
_MESSAGE = re.compile(r"<Message>([^<]*)</Message>")

_REFUSED = "its credentials are not accepted there"
_RENEW = "renew them (`aws sso login`, `gcloud auth application-default login`) or export others"
_REGION = "it is in another region than AWS_REGION says"
_KNOWN = {
    # the store's code, or a phrase of obstore's: why, and what to do now
    "NoSuchBucket": (
        "there is no such bucket",
        "create it (`shipit provision --infra` may), or correct `ledger:` in shipit.yaml",
    ),
    "InvalidAccessKeyId": (_REFUSED, _RENEW),
    "SignatureDoesNotMatch": (_REFUSED, _RENEW),
    "ExpiredToken": ("the credentials have expired", _RENEW),
    "InvalidToken": (_REFUSED, _RENEW),
    "TokenRefreshRequired": ("the credentials have expired", _RENEW),
    "credential provider": ("no credentials could be had", _RENEW),
    "AuthorizationHeaderMalformed": (_REGION, "set AWS_REGION to the bucket's region"),
    "PermanentRedirect": (_REGION, "set AWS_REGION to the bucket's region"),
    "incorrectly configured region": (_REGION, "set AWS_REGION to the bucket's region"),
    "status code: 401": (_REFUSED, _RENEW),
    "status code: 403": (
        "these credentials may not do that there",
        "let them list the bucket (S3 says 403 of what is not there, too), and get, put and delete",
    ),
    "dns error": ("its name is not known here", "check the address and the network"),
    "kind: Connect": ("it cannot be reached", "check the address, the network and the proxy"),
    "kind: Timeout": ("it did not answer in time", "try again"),
}


def status_of(error: Exception) -> int:
    """The HTTP status, 0 where there was none."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else 0


def missing_bucket(error: Exception) -> bool:
    """In S3's words, or in Google's."""
    return "NoSuchBucket" in str(error) or "bucket does not exist" in str(error)


def translated(error: Exception, store: str, request: str, *, first: bool) -> ShipitError:
    """`first`: the store has never answered, so this was found before anything was changed."""
    status, why, next_step = _read(str(error))
    what = f"the ledger in {store} failed at {request}"
    if status == 501:
        return StoreError(
            what,
            f"the store does not know this kind of write: {why}",
            "keep the ledger in a store with conditional writes: AWS S3, GCS, MinIO",
        )
    temporary = status in {0, 408, 409, 429} or status >= 500
    if first and next_step:
        kind = NoBucketError if missing_bucket(error) else PreconditionError
        return kind(f"the ledger in {store} cannot be used", why, next_step)
    return RemoteError(
        what, why, next_step or "try again", request=request, status=status, temporary=temporary
    )


def _read(text: str) -> tuple[int, str, str]:
    """Status, why, next step. Of an answer's body only its code and its message are shown: other
    elements hold the access key and what was signed."""
    status, code, message = (
        found[1] if (found := form.search(text)) else "" for form in (_STATUS, _CODE, _MESSAGE)
    )
    said = ": ".join(part for part in (code, message) if part)
    for sign, (why, next_step) in _KNOWN.items():
        if sign in text:
            return int(status or 0), f"{why} ({said})" if said else why, next_step
    first_line = text.partition("\n")[0]
    return int(status or 0), said or _without_body(first_line), ""


def _without_body(line: str) -> str:
    return re.sub(r"<.*", "", line).rstrip(": ")
