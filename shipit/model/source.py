"""The team's own manifests within a release: what is in them by digest, and what they stand for.

Two forms: Kubernetes objects as kubectl takes them, and ECS definitions,
`{"name": …, "task_definition": {…}, "service": {…}}`, in the words of RegisterTaskDefinition and
CreateService. Which services they keep running is in the release's project too, as services that
have an image and a count and no more, so that everything that asks for services finds them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import msgspec

from shipit.errors import ConfigurationError
from shipit.model import application
from shipit.model.application import Project

Json = dict[str, Any]
ECS, KUBERNETES = "ecs", "kubernetes"


class Found(msgspec.Struct, frozen=True):
    """An image in the object at `position`, at these steps, as it is written there."""

    position: int
    steps: tuple[str | int, ...]
    image: str


def family(objects: Sequence[Json]) -> str:
    """Which kind of target objects are for."""
    return ECS if "task_definition" in objects[0] else KUBERNETES


def replaced(
    objects: Sequence[Json], found: Iterable[Found], by: Mapping[str, str]
) -> tuple[Json, ...]:
    """Copies, with each image that was found as `by` has it."""
    made = deepcopy(tuple(objects))
    for one in found:
        holder: Any = made[one.position]
        for step in one.steps[:-1]:
            holder = holder[step]
        holder[one.steps[-1]] = by[one.image]
    return made


def repointed(objects: Iterable[Json], by: Mapping[str, str]) -> tuple[Json, ...]:
    """Copies, with each text that is one of the references in `by` replaced.

    A reference by digest says what it is wherever it stands, so no table of places is needed.
    """
    return tuple(_mapped(one, lambda text: by.get(text, text)) for one in objects)


def texts(value: Any) -> Iterator[str]:
    """Every text in it, keys apart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _mapped(inner, change) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(inner, change) for inner in value]
    return value


def project(compose: Project, services: Mapping[str, Json]) -> Project:
    """The Compose project of an environment that has a source: its one-off tasks, and the services
    that the source runs in the place of those that compose.yaml keeps up or has at times.

    Raises ConfigurationError when both have the same name.
    """
    made = deepcopy(compose)
    tasks = {
        name: task
        for name, task in application.services(made).items()
        if application.run_when(task) is not None
    }
    for name in tasks:
        if name in services:
            raise ConfigurationError(
                f"the environment's own manifests have a {name} too: it would be both",
                file=application.FILE_NAME,
                path=f"services.{name}",
                next_step="give one of them another name",
            )
    for task in tasks.values():
        _without_edges(task, {*tasks, *services})
    made["services"] = {**tasks, **deepcopy(dict(services))}
    return made


def _without_edges(task: Json, there: set[str]) -> None:
    """A task waits for what is still here: the others are somebody else's to bring up."""
    edges = task.pop("depends_on", None) or {}
    kept = (
        {name: edge for name, edge in edges.items() if name in there}
        if isinstance(edges, dict)
        else [name for name in edges if name in there]
    )
    if kept:
        task["depends_on"] = kept
