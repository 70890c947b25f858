"""Google Artifact Registry, and gcr.io on it: an access token for an hour.

cloud.google.com/artifact-registry/docs/docker/authentication. Needs google-auth: the extra `gcp`.
"""

import time
from datetime import UTC, datetime

from shipit import google_credentials
from shipit.registry import google
from shipit.registry.credentials import Credentials
from shipit.registry.keychain import NOT_MINE

_USER = "oauth2accesstoken"


class ArtifactRegistry:
    """The access token of the application default credentials."""

    name = "Artifact Registry"

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def resolve(self, registry: str) -> Credentials | None:
        if google.parse(registry) is None:
            return self._decline(registry, NOT_MINE)
        if not google_credentials.is_installed():
            return self._decline(registry, google_credentials.EXTRA)
        from google.auth.exceptions import GoogleAuthError

        try:
            found = google_credentials.find()
            if found is None:
                return self._decline(
                    registry,
                    "there are no Google credentials: run `gcloud auth application-default login`, "
                    "or set GOOGLE_APPLICATION_CREDENTIALS",
                )
            found.refresh(google_credentials.request)
        except (GoogleAuthError, OSError, ValueError) as error:
            return self._decline(registry, google_credentials.said(error))
        source = f"{self.name} ({_who(found)})"
        return Credentials.basic(_USER, found.token, source, expires=_end(found.expiry))

    def reason(self, registry: str) -> str:
        return self._reasons.get(registry, "")

    def _decline(self, registry: str, reason: str) -> Credentials | None:
        self._reasons[registry] = reason
        return None


def _who(found: object) -> str:
    """The service account where it has one, else the kind of credentials."""
    email = getattr(found, "service_account_email", None)
    if email and email != "default":
        return str(email)
    kinds = {
        "google.oauth2.credentials": "a person's credentials",
        "google.auth.compute_engine.credentials": "the metadata server",
        "google.auth.impersonated_credentials": "an impersonated service account",
    }
    return kinds.get(type(found).__module__, "workload identity federation")


def _end(expiry: datetime | None) -> float:
    """google-auth's expiry is UTC without saying so."""
    if expiry is None:
        return float("inf")
    left = (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    return time.monotonic() + left
