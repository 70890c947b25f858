"""GitHub's registry, from inside GitHub Actions: the job's own token.

docs.github.com, "Publishing and installing a package with GitHub Actions".
"""

import os

from shipit.registry.credentials import Credentials
from shipit.registry.keychain import NOT_MINE

_HOST = "ghcr.io"
_ANYBODY = "x-access-token"  # GitHub looks at the token alone


class GitHub:
    """GITHUB_TOKEN, where GITHUB_ACTIONS says that this is a job of it: a token that a person has
    exported for other purposes is not sent."""

    name = "GitHub Actions"

    def resolve(self, registry: str) -> Credentials | None:
        token = os.environ.get("GITHUB_TOKEN", "")
        if self.reason(registry):
            return None
        return Credentials.basic(
            os.environ.get("GITHUB_ACTOR") or _ANYBODY, token, f"{self.name} (GITHUB_TOKEN)"
        )

    def reason(self, registry: str) -> str:
        if registry != _HOST:
            return NOT_MINE
        if os.environ.get("GITHUB_ACTIONS") != "true":
            return "this is not a job of it"
        if not os.environ.get("GITHUB_TOKEN"):
            return (
                "GITHUB_TOKEN is not set: the step needs `env: {GITHUB_TOKEN: ${{ github.token }}}`"
            )
        return ""
