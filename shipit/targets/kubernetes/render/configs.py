"""Configs as ConfigMaps, and where secrets are: in the cluster, by name, never in a release. Pure.

A ConfigMap's name has the hash of its content: pods are replaced when it changes, and a rollback
finds what it had.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from shipit.errors import ConfigurationError
from shipit.model.digest import Digest
from shipit.targets.kubernetes import extension, names
from shipit.targets.kubernetes.render.scope import Scope
from shipit.targets.kubernetes.render.text import plain

Json = dict[str, Any]
_CONTENT = "content"
_MOST = 1024 * 1024  # bytes of a ConfigMap (kubernetes.io, "ConfigMaps")
_REFERENCE = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)/(?P<key>[A-Za-z0-9._-]+)")


class Place(msgspec.Struct, frozen=True):
    """A key of a ConfigMap or a Secret."""

    name: str
    key: str


def place(scope: Scope, config: str) -> Place:
    """Raises ConfigurationError for one whose content no release carries."""
    defined, path = scope.section("configs", config), f"configs.{config}"
    if defined.get("external"):
        said = extension.config(path, defined)
        return Place(str(defined.get("name") or config), said.key or config)
    if "content" not in defined:
        key = next((k for k in ("file", "environment") if defined.get(k)), "content")
        raise ConfigurationError(
            "no release carries it: it is of the machine that deploys",
            path=f"{path}.{key}",
            next_step="write it as `content:`, or keep it in a ConfigMap and say `external: true`",
        )
    if defined.get(extension.KEY):
        raise ConfigurationError(
            "it is of configs that are external", path=f"{path}.{extension.KEY}"
        )
    content = plain(defined["content"])
    if len(content.encode()) > _MOST:
        raise ConfigurationError("it is larger than 1 MiB, the most of a ConfigMap", path=path)
    digest = Digest.of(content.encode())
    own, usual = defined.get("name"), f"{scope.project.get('name')}_{config}"
    called = f"{scope.instance}-{config}" if own in (None, usual) else str(own)
    return Place(names.label(f"{called}-{digest.hex[:10]}"), _CONTENT)


def config_maps(scope: Scope, services: tuple[str, ...]) -> Iterator[Json]:
    """Those that the services use, once each."""
    users: dict[str, list[str]] = {}
    for service in services:
        for entry in scope.definition(service).get("configs") or ():
            users.setdefault(str(entry["source"]), []).append(service)
    for config, by in users.items():
        defined = scope.section("configs", config)
        found = place(scope, config)
        if not defined.get("external"):
            owner = by[0] if len(set(by)) == 1 else ""
            data = {found.key: plain(defined["content"])}
            yield scope.made("v1", "ConfigMap", found.name, owner, data=data, immutable=True)


def secret(scope: Scope, name: str) -> tuple[extension.Secret, Place]:
    """Raises ConfigurationError for one that is not in the cluster."""
    defined, path = scope.section("secrets", name), f"secrets.{name}"
    said = extension.secret(path, defined)
    if said.name and said.provider_class:
        raise ConfigurationError(
            "it comes from a Secret or from a driver, not both", path=f"{path}.{extension.KEY}.name"
        )
    if not defined.get("external") and not said.name and not said.provider_class:
        key = next((k for k in ("file", "environment") if defined.get(k)), "external")
        raise ConfigurationError(
            "a release carries no secret",
            path=f"{path}.{key}",
            next_step="keep it in a Secret of the cluster, and say `external: true` and its"
            f" `name:`, or `{extension.KEY}: {{name: …, key: …}}`",
        )
    return said, Place(said.name or str(defined.get("name") or name), said.key or name)


def variable(path: str, reference: str) -> Json:
    """`valueFrom` of a variable. Raises ConfigurationError."""
    found = _REFERENCE.fullmatch(reference)
    if not found:
        raise ConfigurationError(
            f"expected the name of a Secret and its key, as in shop-db/password, found {reference}",
            path=path,
        )
    return {"secretKeyRef": {"name": found["name"], "key": found["key"]}}
