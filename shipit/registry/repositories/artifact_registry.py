"""Google Artifact Registry: one repository for all services, through its client library."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

from shipit import google_credentials
from shipit.errors import PreconditionError, RemoteError, ShipitError
from shipit.registry import address, google
from shipit.registry.repositories.plan import (
    REFERRER_TAGS,
    RETENTION_TAGS,
    Action,
    Change,
    Wishes,
    days,
)

T = TypeVar("T")
_DEADLINE = 30.0  # seconds for a request
_MADE_WITHIN = 180.0  # seconds for the operation that makes a repository
_ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY"  # gcloud's own name for it


class Repositories:
    """See plan.Kind. What others made is left as it is."""

    def home(self, repository: str) -> str:
        """Images lie in a repository's folders: LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/…"""
        registry, path = address.split(repository)
        host = google.parse(registry)
        parts = path.split("/")
        depth = 2 if "." in parts[0] else 1  # a project of a domain's: example.com/project
        depth += 0 if host is not None and host.repository else 1
        if len(parts) < depth:
            raise PreconditionError(
                f"{repository} names no repository of Artifact Registry",
                next_step=f"write {registry}/PROJECT/REPOSITORY in shipit.yaml",
            )
        return f"{registry}/{'/'.join(parts[:depth])}"

    def plan(self, repository: str, wishes: Wishes) -> Change:
        with _Location(repository) as location:
            found = location.get()
        if found is None:
            return Change(repository, Action.CREATE, tuple(_settings(wishes)))
        return Change(repository, Action.KEEP, note="; ".join(_differences(found)))

    def apply(self, change: Change, wishes: Wishes) -> None:
        with _Location(change.repository) as location:
            location.create(wishes)


class _Location:
    """The API of one repository's project and location."""

    def __init__(self, home: str) -> None:
        if not importlib.util.find_spec("google.cloud.artifactregistry_v1"):
            raise PreconditionError(
                f"{home} cannot be looked at",
                "google-cloud-artifact-registry is not installed",
                google_credentials.INSTALL,
            )
        self._home = home
        registry, path = address.split(home)
        host = google.parse(registry) or google.Host("")
        project, self._id = path, host.repository
        if not self._id:
            project, _, self._id = path.rpartition("/")
        self._parent = f"projects/{project.replace('/', ':')}/locations/{host.location}"

    def __enter__(self) -> Self:
        self._client: Any = self._mapped("a client", self._connect)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.transport.close()

    def _connect(self) -> Any:
        """REST: it goes through the proxies that everything else here goes through. With a token
        alone: google-auth's own credentials look things up in the background."""
        from google.cloud import artifactregistry_v1
        from google.oauth2.credentials import Credentials

        token = google_credentials.token()
        if not token:
            raise PreconditionError(
                f"there are no Google credentials for {self._home}",
                next_step="run `gcloud auth application-default login`, or set "
                "GOOGLE_APPLICATION_CREDENTIALS",
            )
        endpoint = os.environ.get(_ENDPOINT, "").rstrip("/")
        return artifactregistry_v1.ArtifactRegistryClient(
            credentials=Credentials(token),
            transport="rest",
            client_options={"api_endpoint": endpoint} if endpoint else None,
        )

    def get(self) -> Any:
        """None when it is not there."""
        from google.api_core.exceptions import NotFound

        name = f"{self._parent}/repositories/{self._id}"
        try:
            return self._call("get_repository", {"name": name})
        except NotFound:
            return None

    def create(self, wishes: Wishes) -> None:
        from google.api_core.exceptions import Conflict

        asked = {
            "parent": self._parent,
            "repository_id": self._id,
            "repository": request(wishes),
        }
        try:
            operation = self._call("create_repository", asked)
            self._mapped("create", lambda: operation.result(timeout=_MADE_WITHIN))
        except Conflict as error:
            if self.get() is None:  # in conflict with something else
                raise _refused(self._home, "create", error) from None

    def _call(self, method: str, asked: dict[str, Any]) -> Any:
        called = getattr(self._client, method)
        permission = f"artifactregistry.repositories.{method.partition('_')[0]}"
        return self._mapped(
            permission, lambda: called(request=asked, timeout=_DEADLINE, retry=None)
        )

    def _mapped(self, what: str, work: Callable[[], T]) -> T:
        """NotFound and Conflict pass; every other exception of Google's ends here."""
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        try:
            return work()
        except (exceptions.NotFound, exceptions.Conflict):
            raise
        except exceptions.GoogleAPICallError as error:
            raise _refused(self._home, what, error) from None
        except (GoogleAuthError, ValueError) as error:
            raise PreconditionError(
                f"Google was not asked for {self._home}",
                google_credentials.said(error),
                "run `gcloud auth application-default login`",
            ) from None
        except (OSError, TimeoutError, exceptions.GoogleAPIError) as error:
            raise RemoteError(
                f"Google did not answer for {self._home}", str(error), temporary=True
            ) from None


def _refused(home: str, what: str, error: Any) -> ShipitError:
    said = " ".join(str(error.message).split())
    if error.code in (401, 403):
        return PreconditionError(
            f"Google refuses {what} for {home}", said, f"use credentials that have {what}"
        )
    return RemoteError(
        f"Google could not do {what} for {home}",
        said,
        request=what,
        status=int(error.code or 0),
        temporary=error.code in (429, 500, 503, 504),
    )


def request(wishes: Wishes) -> dict[str, Any]:
    """A Repository (google.devtools.artifactregistry.v1).

    Its immutable tags know no exclusions, and an environment's retention tag has to move: so tags
    are not made immutable, and it is shipit that writes a tag once. A keep policy counts more than
    any delete policy, also one that a team adds; a manifest that an index refers to is not deleted
    before that index (GOOGLE_MANIFEST_DANGLING_PARENT_IMAGE). Untagged versions go only where that
    is asked for: signatures that are attached as referrers have no tag.
    """
    kept = {
        "id": "keep-what-environments-hold",
        "action": "KEEP",
        "condition": {"tag_state": "TAGGED", "tag_prefixes": [RETENTION_TAGS, REFERRER_TAGS]},
    }
    policies = {kept["id"]: kept}
    if wishes.expire_untagged:
        older = {"seconds": wishes.expire_untagged * 24 * 3600}
        policies["delete-untagged"] = {
            "id": "delete-untagged",
            "action": "DELETE",
            "condition": {"tag_state": "UNTAGGED", "older_than": older},
        }
    made: dict[str, Any] = {
        "format_": "DOCKER",
        "description": f"Images of {wishes.app}, made by shipit",
        "labels": {"created-by": "shipit", "app": wishes.app},
        "cleanup_policies": policies,
        "vulnerability_scanning_config": {"enablement_config": "INHERITED"},
    }
    return made | ({"kms_key_name": _key(wishes)} if _key(wishes) else {})


def _key(wishes: Wishes) -> str:
    return next((k for k in wishes.keys if k.startswith("projects/")), "")


def _settings(wishes: Wishes) -> Iterator[str]:
    yield "one repository for all services"
    yield "scanned where the project has Artifact Analysis"
    yield f"encrypted with {_key(wishes)}" if _key(wishes) else "encrypted with Google's keys"
    gone = days(wishes.expire_untagged) if wishes.expire_untagged else ""
    yield (
        f"clean-up: untagged images go after {gone}, what environments hold is kept"
        if gone
        else "clean-up: nothing goes, and what environments hold is kept"
    )


def _differences(found: Any) -> Iterator[str]:
    """Where it is not as shipit would have made it, and that matters."""
    if found.format_.name != "DOCKER":
        yield f"it holds {found.format_.name.lower()} packages, not images"
    if found.mode.name in ("VIRTUAL_REPOSITORY", "REMOTE_REPOSITORY"):
        yield "it cannot be pushed to"
    if found.docker_config.immutable_tags:
        yield f"{RETENTION_TAGS}* tags cannot be moved there: environments cannot hold images"
