"""Where a container's files are: EFS, the machine's own on EC2, or the task's own."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.ecs import extension
from shipit.targets.ecs.sizes import mebibytes

Json = dict[str, Any]
_EFS = re.compile(r"(?:^|,)addr=(fs-[0-9a-f]+)(?:\.|,|$)")


def mounts(path: str, definition: Mapping[str, Any]) -> list[Json]:
    """`mountPoints` of a container."""
    return [
        {
            "sourceVolume": _name(path, n, mount),
            "containerPath": mount["target"],
            "readOnly": bool(mount.get("read_only")),
        }
        for n, mount in enumerate(definition.get("volumes") or ())
        if mount["type"] != "tmpfs"
    ]


def temporary(path: str, definition: Mapping[str, Any]) -> Iterator[Json]:
    """`linuxParameters.tmpfs`: each has to have a size."""
    for entry in definition.get("tmpfs") or ():
        target, _, options = str(entry).partition(":")
        words = [word for word in options.split(",") if word]
        sizes = [word[5:] for word in words if word.startswith("size=")]
        if not sizes:
            raise _sizeless(f"{path}.tmpfs", target)
        rest = [word for word in words if not word.startswith("size=")]
        made: Json = {"containerPath": target, "size": _size(f"{path}.tmpfs", sizes[0])}
        yield made | ({"mountOptions": rest} if rest else {})
    for n, mount in enumerate(definition.get("volumes") or ()):
        if mount["type"] == "tmpfs":
            size = (mount.get("tmpfs") or {}).get("size")
            if not size:
                raise _sizeless(f"{path}.volumes[{n}]", mount["target"])
            yield {"containerPath": mount["target"], "size": mebibytes(size)}


def volumes(project: Mapping[str, Any], names: tuple[str, ...], *, fargate: bool) -> list[Json]:
    """The task definition's `volumes`, once each."""
    found: dict[str, Json] = {}
    for name in names:
        path = f"services.{name}"
        for n, mount in enumerate(project["services"][name].get("volumes") or ()):
            where = f"{path}.volumes[{n}]"
            if mount["type"] == "tmpfs":
                if fargate:
                    raise _not_here(where, "a tmpfs")
                continue
            made = _volume(project, where, mount, fargate=fargate)
            found[_name(path, n, mount)] = {"name": _name(path, n, mount), **made}
    return list(found.values())


def _volume(project: Mapping[str, Any], path: str, mount: Json, *, fargate: bool) -> Json:
    if mount["type"] == "bind":
        if fargate:
            raise _not_here(path, "a folder of the machine")
        return {"host": {"sourcePath": mount["source"]}}
    if mount["type"] != "volume":
        raise ConfigurationError(f"ECS has no volumes of the type {mount['type']}", path=path)
    source = mount.get("source")
    if not source:
        return {}  # anonymous: the task's own, gone with it
    defined = (project.get("volumes") or {}).get(source) or {}
    return _named(f"volumes.{source}", defined, fargate=fargate)


def _named(path: str, defined: Json, *, fargate: bool) -> Json:
    settings = extension.volume(path, defined)
    efs = settings.efs or _efs(defined)
    if efs:
        return {"efsVolumeConfiguration": _efs_configuration(efs)}
    if settings.ephemeral:
        return {}
    if fargate:
        raise ConfigurationError(
            "on Fargate a volume ends with its task",
            path=path,
            next_step=f"put it on EFS (`{extension.KEY}: {{efs: {{file_system: fs-…}}}}`), or say"
            f" that this is meant: `{extension.KEY}: {{ephemeral: true}}`",
        )
    local: Json = {"scope": "shared", "autoprovision": True}
    local["driver"] = defined.get("driver") or "local"
    if defined.get("driver_opts"):
        local["driverOpts"] = defined["driver_opts"]
    return {"dockerVolumeConfiguration": local}


def _efs(defined: Json) -> extension.Efs | None:
    """An external volume that is called as a file system is, or NFS options that address one."""
    name = str(defined.get("name") or "")
    if defined.get("external") and name.startswith("fs-"):
        return extension.Efs(name)
    options = defined.get("driver_opts") or {}
    found = _EFS.search(str(options.get("o", "")))
    if not found:
        return None
    return extension.Efs(found[1], root_directory=str(options.get("device", "")).lstrip(":"))


def _efs_configuration(efs: extension.Efs) -> Json:
    """Always encrypted on the way; an access point demands it."""
    made: Json = {"fileSystemId": efs.file_system, "transitEncryption": "ENABLED"}
    if efs.root_directory and not efs.access_point:
        made["rootDirectory"] = efs.root_directory
    if efs.access_point or efs.iam:
        made["authorizationConfig"] = {
            **({"accessPointId": efs.access_point} if efs.access_point else {}),
            "iam": "ENABLED" if efs.iam else "DISABLED",
        }
    return made


def _name(path: str, n: int, mount: Json) -> str:
    """A volume's name: letters, digits, dashes and underscores."""
    if mount["type"] == "volume" and mount.get("source"):
        return re.sub(r"[^A-Za-z0-9_-]", "-", mount["source"])
    return f"{path.rpartition('.')[2]}-{n}"


_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def _size(path: str, text: str) -> int:
    number, unit = text.rstrip("bkmgBKMG"), text[len(text.rstrip("bkmgBKMG")) :].lower()
    if not number.isdigit() or unit[:1] not in _UNITS:
        raise ConfigurationError(f"{text!r} is not a size", path=path)
    return mebibytes(int(number) * _UNITS[unit[:1]])


def _sizeless(path: str, target: str) -> ConfigurationError:
    return ConfigurationError(
        f"ECS wants the size of the tmpfs {target}", path=path, next_step=f"{target}:size=64m"
    )


def _not_here(path: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"Fargate cannot mount {what}", path=path, next_step="use launch_type: ec2, or EFS"
    )
