"""What Compose leaves undone on a plain engine. Nothing in a user's file is silently ignored.

Read in Compose's source (pkg/compose/create.go and convergence.go, v2.26 to v5): `deploy.replicas`,
`resources` and `restart_policy` are honoured; what belongs to an orchestrator is not.
What decides where or whether something runs is refused; what only tunes how is noted.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from shipit.errors import ConfigurationError
from shipit.model.application import replicas
from shipit.model.deployment import Desired
from shipit.targets.docker.ports import published

_TUNING = (
    ("update_config",),
    ("rollback_config",),
    ("endpoint_mode",),
    ("labels",),
    ("restart_policy", "delay"),
    ("restart_policy", "window"),
    ("resources", "reservations", "cpus"),
)
_PLACING = (("placement",), ("resources", "reservations", "generic_resources"))


def refuse(desired: Desired) -> None:
    """Raises ConfigurationError for the first thing that a plain engine cannot do."""
    for path, what, next_step in refusals(desired):
        raise ConfigurationError(what, path=path, next_step=next_step)


def refusals(desired: Desired) -> Iterator[tuple[str, str, str]]:
    """(path, what, next step) of everything that cannot be done here."""
    for name in desired.services:
        yield from _of_service(f"services.{name}", desired.project["services"][name])
    for name in desired.scheduled:
        path = f"services.{name}.x-shipit.schedule"
        yield path, "a plain Docker engine has no scheduler", "leave it out of this environment"
    for section in ("configs", "secrets"):
        for name, defined in (desired.project.get(section) or {}).items():
            if defined.get("external"):
                path = f"{section}.{name}.external"
                yield path, "a plain Docker engine keeps none", "give it by file or environment"
    yield from _twice(desired)


def notes(desired: Desired) -> tuple[str, ...]:
    """What is left out, for the plan to say."""
    return tuple(
        f"services.{name}.{'.'.join(('deploy', *keys))} has no effect on a plain Docker engine"
        for name in desired.services
        for keys in _TUNING
        if _value(_deploy(desired.project["services"][name]), keys)
    )


def _of_service(path: str, definition: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    deploy = _deploy(definition)
    mode = deploy.get("mode") or "replicated"
    if mode != "replicated":
        yield (
            f"{path}.deploy.mode",
            f"a plain Docker engine has no {mode} services",
            "leave it out here (`deploy: {mode: !reset null}` in the overlay), or use swarm",
        )
    for keys in _PLACING:
        if _value(deploy, keys):
            where = f"{path}.{'.'.join(('deploy', *keys))}"
            yield where, "a plain Docker engine places nothing", "remove it here, or use swarm"
    yield from _several(path, definition)


def _several(path: str, definition: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    count = replicas(definition)
    if count < 2:
        return
    if definition.get("container_name"):
        yield f"{path}.container_name", f"{count} replicas cannot share one name", "remove it"
    for port in published(definition):
        yield (
            f"{path}.ports",
            f"{count} replicas cannot share the host's port {port.number}",
            "publish no fixed port, or a range, or run one replica",
        )


def _twice(desired: Desired) -> Iterator[tuple[str, str, str]]:
    """Two services that ask for one port of the host."""
    asked = [(n, p) for n in desired.services for p in published(desired.project["services"][n])]
    for place, (name, port) in enumerate(asked):
        for other, before in asked[:place]:
            if other != name and port.overlaps(before):
                what = f"the host's port {port.number} is published by {other} too"
                yield f"services.{name}.ports", what, "publish another port"


def _deploy(definition: dict[str, Any]) -> dict[str, Any]:
    return definition.get("deploy") or {}


def _value(found: Any, keys: Iterable[str]) -> Any:
    for key in keys:
        found = (found or {}).get(key)
    return found
