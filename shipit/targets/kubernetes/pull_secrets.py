"""Secrets to pull with: for which registries they have credentials. The credentials themselves are
dropped where they are read.

kubernetes.io, "Images", "Interpretation of config.json"; kubelet, credentialprovider/keyring.go:
what is named may have a scheme, `/v1/` or `/v2/` after it, globs in the parts of the host, and a
path that the repository's has to begin with.
"""

import base64
import binascii
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from shipit.errors import RemoteError
from shipit.targets.kubernetes import refusals
from shipit.targets.kubernetes.client import Cluster

Json = dict[str, Any]
_HUB = ("docker.io", "index.docker.io")
_FORMATS = {  # the Secret's type: its key, and whether the registries are under `auths`
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson", True),
    "kubernetes.io/dockercfg": (".dockercfg", False),
}


class Held(msgspec.Struct, frozen=True):
    """`registries` are what it has credentials for, as written; None where it may not be read."""

    is_there: bool = True
    registries: frozenset[str] | None = None

    def covers(self, repository: str) -> bool:
        return any(_matches(one, repository) for one in self.registries or ())


def read(cluster: Cluster, namespace: str, name: str) -> Held:
    """Raises RemoteError, but not for what may not be read."""
    try:
        found = cluster.get("v1", "Secret", name, namespace=namespace)
    except RemoteError as error:
        if refusals.is_forbidden(error):
            return Held()
        raise
    return Held(registries=registries(found)) if found else Held(is_there=False)


def of_account(cluster: Cluster, namespace: str, name: str) -> tuple[str, ...] | None:
    """The Secrets that a ServiceAccount names; None where that may not be read."""
    try:
        found = cluster.get("v1", "ServiceAccount", name, namespace=namespace) or {}
    except RemoteError as error:
        if refusals.is_forbidden(error):
            return None
        raise
    return names_in(found)


def names_in(holder: Mapping[str, Any]) -> tuple[str, ...]:
    """Of a PodSpec or a ServiceAccount."""
    return tuple(str(one["name"]) for one in holder.get("imagePullSecrets") or ())


def registries(secret: Json) -> frozenset[str]:
    """None in a Secret of another type: the kubelet passes over it."""
    key, is_nested = _FORMATS.get(str(secret.get("type")), ("", False))
    text = (secret.get("data") or {}).get(key) or ""
    try:
        found = msgspec.json.decode(base64.b64decode(text))
    except (binascii.Error, msgspec.DecodeError):
        return frozenset()
    if is_nested and isinstance(found, dict):
        found = found.get("auths")
    return frozenset(found) if isinstance(found, dict) else frozenset()


def _matches(written: str, repository: str) -> bool:
    host, _, path = _bare(written).partition("/")
    named, _, rest = repository.partition("/")
    if named in _HUB and host in _HUB:
        return rest.startswith(path)
    wanted, parts = named.split("."), host.split(".")
    return (
        len(wanted) == len(parts)
        and all(fnmatchcase(w, p) for w, p in zip(wanted, parts, strict=True))
        and rest.startswith(path)
    )


def _bare(written: str) -> str:
    name = written.partition("://")[2] or written
    host, _, path = name.partition("/")
    for version in ("v1", "v2"):
        if path == version or path.startswith(f"{version}/"):
            path = path[len(version) :]
    return f"{host}/{path.strip('/')}"
