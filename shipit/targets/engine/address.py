"""Where the engine is: what shipit.yaml says, else what the docker command line would use.

The order is the docker command line's own (docs.docker.com/engine/manage-resources/contexts):
DOCKER_HOST, then DOCKER_CONTEXT, then the current context of ~/.docker/config.json.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from shipit.errors import PreconditionError

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Address(msgspec.Struct, frozen=True):
    """An engine's address. `origin` says where it was found; `certificates` is a folder with
    ca.pem, cert.pem and key.pem, or empty; `verify` whether the engine's certificate is checked."""

    url: str
    origin: str
    certificates: str = ""
    verify: bool = False

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0]

    @property
    def local(self) -> bool:
        """Whether the engine's ports are this machine's."""
        if self.scheme == "unix":
            return True
        return self.scheme != "ssh" and urlsplit(self.url).hostname in LOOPBACK

    def environment(self) -> dict[str, str]:
        """What makes docker and compose talk to this engine and no other."""
        found = {"DOCKER_HOST": self.url}
        if self.certificates:
            found["DOCKER_CERT_PATH"] = self.certificates
            found["DOCKER_TLS_VERIFY"] = "1" if self.verify else ""
        return found

    def __str__(self) -> str:
        return f"{self.url} ({self.origin})" if self.origin else self.url


def find(host: str, context: str) -> Address:
    """The engine for a target's settings. Raises PreconditionError for an unknown context."""
    if host:
        return _address(host, "host in shipit.yaml")
    if context:
        return _of_context(context, "shipit.yaml")
    if os.environ.get("DOCKER_HOST"):
        return _address(os.environ["DOCKER_HOST"], "DOCKER_HOST")
    name = os.environ.get("DOCKER_CONTEXT") or _current_context()
    if name and name != "default":
        return _of_context(name, "the current Docker context")
    return Address(DEFAULT_SOCKET, "the default socket")


def _address(url: str, origin: str) -> Address:
    """As the docker command line reads DOCKER_HOST and the variables beside it."""
    url = url if "://" in url else f"tcp://{url}"
    if url.partition("://")[0] not in ("unix", "tcp", "http", "https", "ssh"):
        raise PreconditionError(
            f"{url} is not an engine's address",
            f"it comes from {origin}",
            "write unix:///path, tcp://host:port or ssh://user@host",
        )
    if url.startswith("tcp://") and os.environ.get("DOCKER_TLS_VERIFY"):
        folder = os.environ.get("DOCKER_CERT_PATH") or str(_docker_folder())
        return Address(url, origin, folder, verify=True)
    return Address(url, origin)


def _docker_folder() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _current_context() -> str:
    return str(_read(_docker_folder() / "config.json").get("currentContext") or "")


def _of_context(name: str, origin: str) -> Address:
    """The docker command line's context store (docker/cli, cli/context/store)."""
    where = _docker_folder() / "contexts"
    key = hashlib.sha256(name.encode()).hexdigest()
    endpoint = _read(where / "meta" / key / "meta.json").get("Endpoints", {}).get("docker")
    if name == "default":
        return Address(
            os.environ.get("DOCKER_HOST") or DEFAULT_SOCKET, "the Docker context default"
        )
    if not endpoint:
        raise PreconditionError(
            f"there is no Docker context named {name}",
            f"it comes from {origin}",
            "`docker context ls` lists them; `docker context create` makes one",
        )
    folder = where / "tls" / key / "docker"
    return Address(
        endpoint.get("Host") or DEFAULT_SOCKET,
        f"the Docker context {name}",
        str(folder) if folder.is_dir() else "",
        verify=not endpoint.get("SkipTLSVerify", False),
    )


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
