"""Errors as a registry tells them (distribution-spec, "Error Codes")."""

from collections.abc import Mapping

from shipit.model import codec


class Refused(Exception):  # noqa: N818 - an answer, not a failure of ours
    """A request that is answered with an error. `code` is one of the specification's."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        return codec.encode({"errors": [{"code": self.code, "message": self.message}]})


def blob_unknown(digest: object) -> Refused:
    return Refused(404, "BLOB_UNKNOWN", f"blob {digest} is not here")


def upload_unknown() -> Refused:
    return Refused(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")


def manifest_unknown(repository: str, reference: object) -> Refused:
    return Refused(404, "MANIFEST_UNKNOWN", f"{repository} has no manifest {reference}")


def name_unknown(repository: str) -> Refused:
    return Refused(404, "NAME_UNKNOWN", f"there is no repository {repository}")


def digest_invalid(message: str) -> Refused:
    return Refused(400, "DIGEST_INVALID", message)
