"""Stop, start and remove what is there, through the engine: no Compose file is needed for it."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from shipit.errors import RemoteError, ShipitError
from shipit.model.deployment import Health
from shipit.targets.docker.apply import remove
from shipit.targets.docker.containers import PROJECT, Container, Survey
from shipit.targets.engine.client import Engine

_STOP = 600.0  # seconds: longer than any sensible stop_grace_period
_DEPENDENCIES = "com.docker.compose.depends_on"
_HEALTHY_WITHIN = 120.0  # seconds for a dependency, when a stopped project is started


def stop(engine: Engine, containers: Iterable[Container]) -> None:
    _each(engine, containers, lambda own, c: own.post(f"/containers/{c.id}/stop", deadline=_STOP))


def start(engine: Engine, survey: Survey, containers: Sequence[Container]) -> None:
    """Each after what it depends on, and after that is healthy where it asked for it."""
    for container in _in_order(containers):
        for service, condition in _depends_on(container):
            if condition == "service_healthy":
                _await_health(survey, service)
        engine.post(f"/containers/{container.id}/start")


def remove_all(
    engine: Engine, project: str, containers: Sequence[Container], *, volumes: bool
) -> Iterator[str]:
    """Containers, then networks, then volumes when asked; the name of each that went."""
    _each(engine, containers, remove)
    yield from (c.name for c in containers)
    label = {"label": [f"{PROJECT}={project}"]}
    for network in engine.get("/networks", filters=label):
        engine.delete(f"/networks/{network['Id']}")
        yield network["Name"]
    if volumes:
        for volume in engine.get("/volumes", filters=label)["Volumes"] or ():
            engine.delete(f"/volumes/{volume['Name']}")
            yield volume["Name"]


def _each(
    engine: Engine, containers: Iterable[Container], do: Callable[[Engine, Container], Any]
) -> None:
    """All at once, since each may take its whole grace period. Raises the first error."""
    errors: list[ShipitError] = []

    def one(container: Container) -> None:
        own = Engine(engine.address)
        try:
            do(own, container)
        except RemoteError as error:
            if error.status != 404:
                errors.append(error)
        except ShipitError as error:
            errors.append(error)
        finally:
            own.close()

    threads = [threading.Thread(target=one, args=(c,)) for c in containers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _in_order(containers: Sequence[Container]) -> list[Container]:
    """Dependencies first; a circle, which Compose refuses, would keep its order."""
    order: dict[str, Container] = {}

    def visit(container: Container, above: frozenset[str]) -> None:
        if container.id in order or container.id in above:
            return
        needed = {service for service, _ in _depends_on(container)}
        for other in containers:
            if other.service in needed:
                visit(other, above | {container.id})
        order[container.id] = container

    for container in containers:
        visit(container, frozenset())
    return list(order.values())


def _depends_on(container: Container) -> Iterator[tuple[str, str]]:
    """Compose's label: `db:service_healthy:false,cache:service_started:true`."""
    for item in filter(None, container.labels.get(_DEPENDENCIES, "").split(",")):
        service, _, rest = item.partition(":")
        yield service, rest.partition(":")[0]


def _await_health(survey: Survey, service: str) -> None:
    limit = time.monotonic() + _HEALTHY_WITHIN
    while time.monotonic() < limit:
        found = [c for c in survey.containers() if c.service == service and not c.one_off]
        if not any(c.health is Health.STARTING for c in found):
            return
        time.sleep(0.2)
