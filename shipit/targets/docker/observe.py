"""What runs now, from one list of containers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shipit.model import codec
from shipit.model.deployment import Health, Observed, ObservedService
from shipit.model.digest import Digest
from shipit.targets.docker.containers import ANY_ADDRESS, PROJECT, Container, Survey

# A service is as well as the worst of its containers.
_WORST_FIRST = (Health.UNHEALTHY, Health.STOPPED, Health.UNKNOWN, Health.STARTING, Health.HEALTHY)


def observe(survey: Survey, definitions: Mapping[str, Any]) -> Observed:
    """`definitions` are those of the last bring-up, by the hash that containers carry."""
    listed = survey.listed()
    containers = survey.inspected([row for row in listed if survey.own(row)])
    services = by_service(containers)
    return Observed(
        services={name: observed_service(name, found) for name, found in services.items()},
        fingerprint=fingerprint(containers),
        ports=_held([row for row in listed if not survey.own(row)]),
        definitions={
            name: definitions[found[0].spec]
            for name, found in services.items()
            if found[0].spec in definitions
        },
    )


def by_service(containers: Iterable[Container]) -> dict[str, list[Container]]:
    """The long-running containers, by service."""
    found: dict[str, list[Container]] = {}
    for container in containers:
        if not container.one_off:
            found.setdefault(container.service, []).append(container)
    return found


def observed_service(name: str, containers: Sequence[Container]) -> ObservedService:
    up = [c for c in containers if c.state == "running"]
    started = [c.started for c in up if c.started]
    return ObservedService(
        name=name,
        desired=len(containers),
        running=len(up),
        health=min((c.health for c in containers), key=_WORST_FIRST.index),
        images=_common(up or containers),
        spec=_same(c.spec for c in containers),
        since=datetime.fromtimestamp(max(started), UTC) if started else None,
        detail="; ".join(filter(None, (_detail(c) for c in containers))),
        ports=tuple(dict.fromkeys(port for c in containers for port in c.ports)),
    )


def fingerprint(containers: Iterable[Container]) -> str:
    """Which containers there are, of what, and whether they are up. Neither health nor uptime: a
    plan does not rely on them, and they flap."""
    facts = sorted((c.id, c.service, c.spec, c.up) for c in containers if not c.one_off)
    return str(Digest.of(codec.canonical(facts)))


def _common(containers: Sequence[Container]) -> tuple[Digest, ...]:
    """The digests that every one of them reports: none, when they run different images."""
    shared = set(containers[0].images).intersection(*(c.images for c in containers))
    return tuple(d for d in dict.fromkeys(containers[0].images) if d in shared)


def _same(values: Iterable[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else ""


def _detail(container: Container) -> str:
    if container.state == "exited":
        return f"{container.name} exited with code {container.exit_code}"
    if container.state == "restarting":
        return f"{container.name} restarts again and again"
    return container.error


def _held(others: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Host ports that other containers publish: `0.0.0.0:8080/tcp` and who has it."""
    held = {}
    for row in others:
        for port in row.get("Ports") or ():
            if "PublicPort" in port:
                where = f"{port.get('IP') or ANY_ADDRESS}:{port['PublicPort']}/{port['Type']}"
                held[where] = _holder(row)
    return held


def _holder(row: Mapping[str, Any]) -> str:
    name = str((row.get("Names") or ["?"])[0]).lstrip("/")
    project = (row.get("Labels") or {}).get(PROJECT)
    return f"the container {name}" + (f" of the Compose project {project}" if project else "")
