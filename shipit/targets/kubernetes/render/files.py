"""What a container finds in its file system: claims, its own room, configs and secrets. Pure.

A volume that Compose names is one claim, whoever mounts it: that is what it is in Compose. Files
are mounted one by one (`subPath`), so that nothing beside them is hidden.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes import extension, names
from shipit.targets.kubernetes.render import amounts, claims, configs
from shipit.targets.kubernetes.render.scope import Scope
from shipit.targets.kubernetes.render.text import filled

Json = dict[str, Any]
_CSI = "secrets-store.csi.k8s.io"
_SECRETS = "/run/secrets"
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a place in a container


class Mount(msgspec.Struct, frozen=True):
    """A volume of the pod, and where a container has it. With `each`, the volume is the
    StatefulSet's to make for every replica, and `volume` is None."""

    name: str
    volume: Json | None
    where: Json


def mounts(scope: Scope, service: str) -> list[Mount]:
    """Raises ConfigurationError for what a pod cannot mount, by its path."""
    found: dict[str, Mount] = {}
    for path, mount in _mounts(scope, service, f"services.{service}"):
        target = mount.where["mountPath"]
        if target in found:
            raise ConfigurationError(f"something else is mounted at {target}", path=path)
        found[target] = mount
    return list(found.values())


def _mounts(scope: Scope, service: str, path: str) -> Iterator[tuple[str, Mount]]:
    definition = scope.definition(service)
    for where, volume in _entries(path, definition, "volumes"):
        yield where, _volume(scope, service, where, volume)
    for where, entry in _entries(path, definition, "tmpfs"):
        yield where, _tmpfs(service, where, str(entry))
    if definition.get("shm_size"):
        where = f"{path}.shm_size"
        size = amounts.memory(definition["shm_size"], where)
        yield where, _room(f"shm-{service}", _SHARED_MEMORY, size, in_memory=True)
    for where, entry in _entries(path, definition, "configs"):
        yield where, _config(scope, where, entry)
    for where, entry in _entries(path, definition, "secrets"):
        yield where, _secret(scope, where, entry)


def _entries(path: str, definition: Json, key: str) -> Iterator[tuple[str, Any]]:
    for n, entry in enumerate(definition.get(key) or ()):
        yield f"{path}.{key}[{n}]", entry


def _volume(scope: Scope, service: str, path: str, mount: Json) -> Mount:
    target, kind = str(mount["target"]), mount["type"]
    if kind == "tmpfs":
        return _temporary(service, path, target, mount.get("tmpfs") or {})
    if kind == "bind":
        raise ConfigurationError(
            f"a pod cannot have {mount.get('source')}: it is a file or a folder of one machine",
            path=path,
            next_step="put it into the image, or into a config (`content:`), or a volume",
        )
    if kind != "volume":
        raise ConfigurationError(f"Kubernetes has no volumes of the type {kind}", path=path)
    if not mount.get("source"):
        return _room(f"{service}-{target}", target, "", in_memory=False)
    return _named(scope, mount)


def _named(scope: Scope, mount: Json) -> Mount:
    source = str(mount["source"])
    name = names.label(f"volume-{source}")
    said = extension.volume(f"volumes.{source}", scope.section("volumes", source))
    claim = {"claimName": claims.name(scope, source)}
    return Mount(
        name,
        None if said.each else {"name": name, "persistentVolumeClaim": claim},
        filled(
            name=name,
            mountPath=str(mount["target"]),
            readOnly=bool(mount.get("read_only")),
            subPath=(mount.get("volume") or {}).get("subpath"),
        ),
    )


def _tmpfs(service: str, path: str, entry: str) -> Mount:
    target, _, text = entry.partition(":")
    words = (word.partition("=") for word in text.split(",") if word)
    options = {key: value for key, _, value in words}
    return _temporary(service, path, target, options)


def _temporary(service: str, path: str, target: str, options: Mapping[str, Any]) -> Mount:
    for key, value in options.items():
        open_to_all = key == "mode" and _mode(value) & 0o777 == 0o777
        if key != "size" and not open_to_all and key != "rw":
            raise ConfigurationError(
                f"a tmpfs of Kubernetes has a size alone: it cannot have {key}",
                path=path,
                next_step=f"write {target}:size=64m",
            )
    size = options.get("size")
    return _room(
        f"tmpfs-{service}-{target}",
        target,
        amounts.memory(size, path) if size else "",
        in_memory=True,
    )


def _room(called: str, target: str, size: str, *, in_memory: bool) -> Mount:
    """Gone with its pod, as an anonymous volume and a tmpfs are with their container."""
    name = names.label(called)
    room = filled(medium="Memory" if in_memory else "", sizeLimit=size)
    return Mount(name, {"name": name, "emptyDir": room}, {"name": name, "mountPath": target})


def _config(scope: Scope, path: str, entry: Json) -> Mount:
    source = str(entry["source"])
    target = str(entry.get("target") or f"/{source}")
    place = configs.place(scope, source)
    _refuse_owner(path, entry)
    name = names.label(f"config-{source}-{_suffix(entry)}")
    body = {"name": place.name, "items": [_item(place.key, entry)]}
    return Mount(name, {"name": name, "configMap": body}, _file(name, target, place.key))


def _secret(scope: Scope, path: str, entry: Json) -> Mount:
    source = str(entry["source"])
    target = str(entry.get("target") or source)
    target = target if target.startswith("/") else f"{_SECRETS}/{target}"
    said, place = configs.secret(scope, source)
    _refuse_owner(path, entry)
    if said.provider_class:
        name = names.label(f"secrets-{said.provider_class}")
        attributes = {"secretProviderClass": said.provider_class}
        csi = {"driver": _CSI, "readOnly": True, "volumeAttributes": attributes}
        return Mount(name, {"name": name, "csi": csi}, _file(name, target, place.key))
    name = names.label(f"secret-{source}-{_suffix(entry)}")
    body = {"secretName": place.name, "items": [_item(place.key, entry)]}
    return Mount(name, {"name": name, "secret": body}, _file(name, target, place.key))


def _item(key: str, entry: Json) -> Json:
    mode = entry.get("mode")
    return {"key": key, "path": key, **({"mode": _mode(mode)} if mode is not None else {})}


def _file(name: str, target: str, key: str) -> Json:
    return {"name": name, "mountPath": target, "subPath": key, "readOnly": True}


def _suffix(entry: Json) -> str:
    """Two mounts of one file with two modes are two volumes."""
    mode = entry.get("mode")
    return f"{_mode(mode):o}" if mode is not None else "file"


def _mode(said: Any) -> int:
    return said if isinstance(said, int) else int(str(said), 8)


def _refuse_owner(path: str, entry: Json) -> None:
    for key in ("uid", "gid"):
        if str(entry.get(key) or "0") != "0":
            raise ConfigurationError(
                "files of configs and secrets are root's on Kubernetes",
                path=f"{path}.{key}",
                next_step='leave it out, and write `mode: "0444"` if others have to read it',
            )
