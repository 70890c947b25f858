"""Which builds a Compose project asks for, and in which order."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import msgspec

from shipit.builders import section
from shipit.builders.section import Section
from shipit.errors import ConfigurationError
from shipit.model import codec


class Job(msgspec.Struct, frozen=True):
    """One build, for the service it is named after and for those with the very same section: the
    first one by name that keeps running, before tasks (`x-shipit: {run: ...}`)."""

    services: tuple[str, ...]
    section: Section

    @property
    def name(self) -> str:
        return self.services[0]


def read_jobs(project: Mapping[str, Any], root: Path) -> tuple[Job, ...]:
    """The builds of a project, each after those it is built from. Raises ConfigurationError."""
    alike: dict[bytes, list[str]] = {}
    sections: dict[str, Section] = {}
    services: dict[str, Any] = project.get("services") or {}
    for name in sorted(services, key=lambda name: ("x-shipit" in services[name], name)):
        service = services[name]
        if service.get("build"):
            sections[name] = section.read(name, service)
            section.require_files(name, sections[name], root)
            section.require_secrets(sections[name], project.get("secrets") or {})
            alike.setdefault(codec.canonical(sections[name]), []).append(name)
    jobs = [Job(tuple(names), sections[names[0]]) for names in alike.values()]
    place = {name: at for at, name in enumerate(_in_order(sections))}
    return tuple(sorted(jobs, key=lambda job: min(place[name] for name in job.services)))


def _in_order(sections: Mapping[str, Section]) -> tuple[str, ...]:
    for name, found in sections.items():
        for other in found.services:
            if other not in sections:
                raise ConfigurationError(
                    f"service {other!r} is not built here",
                    path=f"services.{name}.build.additional_contexts",
                    next_step="name a service that has a `build` section",
                )
    graph = TopologicalSorter({name: found.services for name, found in sections.items()})
    try:
        return tuple(graph.static_order())
    except CycleError as error:
        raise ConfigurationError(
            "services are built from each other in a circle",
            path=f"services.{error.args[1][0]}.build.additional_contexts",
            why=" -> ".join(error.args[1]),
        ) from None
