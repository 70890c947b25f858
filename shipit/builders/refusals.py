"""The one place where buildx's words decide what kind of error it is: it gives nothing better.

Each row was recorded, or comes from a public report: tests/unit/builders/refusals.json has them.
"""

import re

import msgspec

from shipit.errors import PreconditionError, RemoteError, ShipitError

_CREDENTIALS = re.compile(
    r"no basic auth credentials"  # engine: it has none for this registry
    r"|unauthorized: |denied: "  # engine: the registry's own error code
    r"|insufficient_scope"  # containerd: the token does not have the right
    r"|authorization failed"  # containerd
    r"|\b40[13] (?:Unauthorized|Forbidden)",  # containerd: the registry or its token server
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"connection refused|no such host|i/o timeout|TLS handshake timeout|connection reset"
    r"|network is unreachable|server gave HTTP response to HTTPS client",
    re.IGNORECASE,
)
_CONTEXTS = re.compile(r"unsupported frontend capability moby\.buildkit\.frontend\.contexts")


class Failure(msgspec.Struct, frozen=True):
    """A build that ended badly: the failing step's name and error, and the output's last lines."""

    service: str
    registry: str
    step: str
    error: str
    tail: str

    @property
    def pushing(self) -> bool:
        return self.step.startswith(("pushing ", "exporting to "))

    @property
    def remote(self) -> bool:
        """A registry was spoken to: what a RUN step prints is never taken for its answer."""
        return self.pushing or not self.step or "load metadata for" in self.step


def judge(failure: Failure) -> ShipitError:
    """The error to raise for it."""
    said = failure.error or failure.tail
    if failure.remote and _CREDENTIALS.search(said):
        return _refused(failure)
    if _CONTEXTS.search(said):
        return PreconditionError(
            f"{failure.service}: this engine's BuildKit has no additional contexts",
            "additional_contexts need BuildKit 0.10 or later (Docker 23)",
            "upgrade the engine, or create a builder: docker buildx create --use",
        )
    if failure.remote and _UNREACHABLE.search(said):
        return _unreachable(failure)
    return _broken(failure)


def _refused(failure: Failure) -> ShipitError:
    if failure.pushing:
        return PreconditionError(
            f"{failure.service}: {failure.registry} refused the push",
            failure.error,
            f"log in with the right to push: docker login {failure.registry.partition('/')[0]}",
        )
    return PreconditionError(
        f"{failure.service}: a registry refused the pull of what the image is built from",
        f"{failure.step}: {failure.error}" if failure.step else failure.error or failure.tail,
        "log in to it with docker login, or correct the image's name",
    )


def _unreachable(failure: Failure) -> ShipitError:
    where = failure.registry if failure.pushing else "a registry that the image is built from"
    return RemoteError(
        f"{failure.service}: {where} cannot be reached",
        f"{failure.step}: {failure.error}",
        "look at the network and the registry, then build again",
        temporary=True,
    )


def _broken(failure: Failure) -> ShipitError:
    at = f" at {failure.step}" if failure.step else ""
    why = "\n".join(part for part in (failure.tail, failure.error) if part)
    return ShipitError(
        f"{failure.service}: the build failed{at}", why, "correct it, then build again"
    )
