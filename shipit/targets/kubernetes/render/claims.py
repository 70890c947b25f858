"""The volumes that Compose names, as PersistentVolumeClaims. Pure.

Each is one claim of its own, and no StatefulSet's: it outlives the workload, can grow, and one-off
tasks and other services mount it, too. `x-kubernetes: {each: true}` asks for a claim for every
replica; only these are the StatefulSet's (volumeClaimTemplates).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shipit.errors import ConfigurationError
from shipit.model.application import replicas
from shipit.targets.kubernetes import extension, names
from shipit.targets.kubernetes.render.scope import Scope

Json = dict[str, Any]
_SIZE = "1Gi"


def name(scope: Scope, volume: str) -> str:
    """The claim's: the volume's own where it has one, else with the environment before it."""
    defined = scope.section("volumes", volume)
    said = str(defined.get("name") or "")
    if said and (defined.get("external") or said != f"{scope.project.get('name')}_{volume}"):
        return said
    return names.label(f"{scope.instance}-{volume}")


def mounted(definition: Mapping[str, Any]) -> list[str]:
    """The volumes with a name that a service mounts."""
    return list(
        dict.fromkeys(
            str(mount["source"])
            for mount in definition.get("volumes") or ()
            if mount.get("type") == "volume" and mount.get("source")
        )
    )


def said(scope: Scope, volume: str) -> extension.Volume:
    return extension.volume(f"volumes.{volume}", scope.section("volumes", volume))


def users(scope: Scope) -> dict[str, list[str]]:
    """The services that mount each volume."""
    found: dict[str, list[str]] = {}
    for service in scope.everything:
        for volume in mounted(scope.definition(service)):
            found.setdefault(volume, []).append(service)
    return found


def neighbours(scope: Scope, services: tuple[str, ...]) -> list[str]:
    """Who has to be on the same node: all that mount a volume which one node has at a time."""
    volumes = {v for service in services for v in mounted(scope.definition(service))}
    return list(
        dict.fromkeys(
            service
            for volume, by in users(scope).items()
            if volume in volumes and not said(scope, volume).is_everywhere
            for service in by
        )
    )


def claims(scope: Scope) -> Iterator[Json]:
    """Those that are to be made, once each. Raises ConfigurationError for what cannot be."""
    for volume, services in users(scope).items():
        _refuse_several(scope, volume, services)
        if not said(scope, volume).each and not scope.section("volumes", volume).get("external"):
            owner = services[0] if len(services) == 1 else ""
            yield scope.made(
                "v1", "PersistentVolumeClaim", name(scope, volume), owner, spec=spec(scope, volume)
            )


def spec(scope: Scope, volume: str) -> Json:
    asked = said(scope, volume)
    made: Json = {
        "accessModes": [asked.access],
        "resources": {"requests": {"storage": asked.size or _SIZE}},
    }
    # A class of "" is a word of its own: no class, and no default one.
    return made if asked.class_name is None else {**made, "storageClassName": asked.class_name}


def template(scope: Scope, volume: str) -> Json:
    """Of a StatefulSet, which cannot be changed later: nothing that moves is in it."""
    whose = {names.INSTANCE: scope.instance, names.MANAGED_BY: names.MANAGER}
    metadata = {"name": names.label(f"volume-{volume}"), "labels": whose}
    return {"metadata": metadata, "spec": spec(scope, volume)}


def notes(scope: Scope) -> Iterator[str]:
    for volume in users(scope):
        if not said(scope, volume).size and not scope.section("volumes", volume).get("external"):
            yield f"volumes.{volume}: {_SIZE} is asked for; x-kubernetes: {{size: …}} says another"


def _refuse_several(scope: Scope, volume: str, services: list[str]) -> None:
    """What several services, or several pods of one, cannot have."""
    asked, path = said(scope, volume), f"volumes.{volume}"
    _refuse_of_others(scope, volume, asked)
    if len(services) > 1 and (asked.each or asked.access == "ReadWriteOncePod"):
        key, whom = ("each", "a replica") if asked.each else ("access", "one pod at a time")
        raise ConfigurationError(
            f"it is of {whom}, and {' and '.join(services)} would share it",
            path=f"{path}.{extension.KEY}.{key}",
        )
    for service in services:
        is_global = (scope.definition(service).get("deploy") or {}).get("mode") == "global"
        if is_global and asked.each:
            raise ConfigurationError(
                f"{service} is on every node, and a DaemonSet makes no claims",
                path=f"{path}.{extension.KEY}.each",
            )
        if _is_several(scope, service) and not asked.is_everywhere:
            raise ConfigurationError(
                f"several pods of {service} would share a volume that one node has at a time",
                path=path,
                next_step=f"`{extension.KEY}: {{access: ReadWriteMany}}` with a class that can,"
                " `{each: true}` for a claim for every replica, or one replica",
            )


def _is_several(scope: Scope, service: str) -> bool:
    definition = scope.definition(service)
    is_global = (definition.get("deploy") or {}).get("mode") == "global"
    return is_global or replicas(definition) > 1 or scope.said(service).autoscale is not None


def _refuse_of_others(scope: Scope, volume: str, asked: extension.Volume) -> None:
    """A claim that is there has its size and its class."""
    if not scope.section("volumes", volume).get("external"):
        return
    for key, value in (("size", asked.size), ("class", asked.class_name), ("each", asked.each)):
        if value:
            raise ConfigurationError(
                "the claim is there already, and has its own",
                path=f"volumes.{volume}.{extension.KEY}.{key}",
            )
