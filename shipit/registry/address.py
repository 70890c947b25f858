"""Repositories as they are written, and where their registry answers."""

import ipaddress
from functools import cache

from shipit.errors import PreconditionError
from shipit.model.image import DOCKER_HUB

_HUB_HOST = "registry-1.docker.io"  # docker.io is a name for people; this host speaks the protocol


def split(repository: str) -> tuple[str, str]:
    """`127.0.0.1:5417/shop/web` is the registry `127.0.0.1:5417` and the path `shop/web`.

    Raises PreconditionError when it has not both.
    """
    registry, _, path = repository.partition("/")
    if not path:
        raise PreconditionError(
            f"{repository!r} is not a repository",
            "a registry's host and a path are needed, as in ghcr.io/acme/shop",
        )
    return registry, path


@cache
def base_url(registry: str) -> str:
    """Plain HTTP on this machine, where nobody listens in; HTTPS everywhere else."""
    host = _HUB_HOST if registry in (DOCKER_HUB, "index.docker.io") else registry
    return f"{'http' if is_loopback(registry) else 'https'}://{host}"


@cache
def is_loopback(registry: str) -> bool:
    host = registry.rpartition(":")[0] if registry.rpartition(":")[2].isdigit() else registry
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
