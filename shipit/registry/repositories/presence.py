"""Is a repository there? Asked of the registry itself, with the credentials that images need."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shipit.errors import ShipitError
from shipit.model import codec
from shipit.registry import address, aws
from shipit.registry.failures import Causes
from shipit.registry.repositories import kinds
from shipit.registry.repositories.plan import Kind, Wishes
from shipit.registry.retry import persist
from shipit.registry.transport import Call, read

if TYPE_CHECKING:
    from shipit.registry.client import Client

_UNKNOWN = "NAME_UNKNOWN"  # distribution-spec, "Error Codes": repository name not known
_LIMIT = 4 * 1024 * 1024


def missing(client: "Client", repositories: Sequence[str]) -> list[str]:
    """Those that have to be made before images of these names can be pushed: themselves, or what
    holds them.

    None where the first push makes it. Raises PreconditionError when the registry refuses the
    credentials, and RemoteError.
    """
    lacking: dict[str, None] = {}
    asked: set[str] = set()
    for repository in repositories:
        kind = kinds.find(repository)
        home = kind.home(repository) if kind else ""
        if kind is None or home in asked:
            continue
        asked.add(home)
        if _is_missing(client, kind, home):
            lacking[home] = None
    return list(lacking)


def _is_missing(client: "Client", kind: Kind, home: str) -> bool:
    if aws.parse(address.split(home)[0]) is not None:
        return _names_unknown(client, home)
    return _lacks(kind, home)


def _names_unknown(client: "Client", repository: str) -> bool:
    """ECR tells a repository that is not there from one without that tag."""
    registry, path = address.split(repository)
    call = Call(
        "GET",
        registry,
        f"/v2/{path}/manifests/latest",
        scopes=(f"repository:{path}:pull",),
        expect=(200, 404),
    )

    def ask() -> tuple[int, bytes]:
        response = client.transport.send(call)
        return response.status, read(response, _LIMIT, call.title, registry)

    status, body = persist(ask)
    return status == 404 and _has_code(body)


def _has_code(body: bytes) -> bool:
    try:
        return any(cause.code == _UNKNOWN for cause in codec.decode(body, Causes).errors)
    except ValueError:
        return False


def _lacks(kind: Kind, home: str) -> bool:
    """Artifact Registry calls an image that was never pushed unknown too, so its API is asked. Who
    may push need not be allowed to ask that: then nothing is known, and nothing is held up."""
    try:
        return kind.plan(home, Wishes("")).changes
    except ShipitError:
        return False
