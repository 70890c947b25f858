"""A service's ports, from `ports` and `expose`. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes.render.text import filled

Json = dict[str, Any]
# RFC 6335, service names: what a port may be called.
_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")


class Port(msgspec.Struct, frozen=True):
    """`number` is the container's; `published` the host's, as it is written; `is_host`: of the
    very machine that the pod is on."""

    number: int
    protocol: str
    name: str
    published: str = ""
    application: str = ""
    is_host: bool = False

    def of_container(self) -> Json:
        host = self.is_host and self.published.isdecimal()
        return filled(
            name=self.name,
            containerPort=self.number,
            protocol=self.protocol,
            hostPort=int(self.published) if host else None,
        )

    def of_service(self) -> Json:
        """At the container's own number, as Compose's services reach one another."""
        return filled(
            name=self.name,
            port=self.number,
            targetPort=self.number,
            protocol=self.protocol,
            appProtocol=self.application,
        )

    def of_outside(self) -> Json:
        outer = int(self.published) if self.published.isdecimal() else self.number
        return {**self.of_service(), "port": outer}


def ports(path: str, definition: Mapping[str, Any]) -> tuple[Port, ...]:
    """Each once, as they are written. Raises ConfigurationError for a name that none can have."""
    found: dict[tuple[int, str], Port] = {}
    for port in (*_published(path, definition), *_exposed(definition)):
        found.setdefault((port.number, port.protocol), port)
    return tuple(found.values())


def first(path: str, definition: Mapping[str, Any], said: int | None, key: str) -> int:
    """The port that `said` is, else the first over TCP. Raises ConfigurationError."""
    numbers = [p.number for p in ports(path, definition) if p.protocol == "TCP"]
    if said is not None and said in numbers:
        return said
    if said is None and numbers:
        return numbers[0]
    raise ConfigurationError(
        f"the service has no TCP port {said}" if said else "the service has no TCP port",
        path=f"{path}.{key}",
        next_step="write it under ports or expose",
    )


def _published(path: str, definition: Mapping[str, Any]) -> Iterator[Port]:
    for n, port in enumerate(definition.get("ports") or ()):
        protocol = str(port.get("protocol") or "tcp")
        yield Port(
            number=int(port["target"]),
            protocol=protocol.upper(),
            name=_name(f"{path}.ports[{n}].name", port.get("name")) or _called(port, protocol),
            published=str(port.get("published") or ""),
            application=str(port.get("app_protocol") or ""),
            is_host=port.get("mode") == "host",
        )


def _exposed(definition: Mapping[str, Any]) -> Iterator[Port]:
    for entry in definition.get("expose") or ():
        span, _, protocol = str(entry).partition("/")
        first, _, last = span.partition("-")
        for number in range(int(first), int(last or first) + 1):
            spoken = protocol or "tcp"
            yield Port(number, spoken.upper(), f"{spoken}-{number}")


def _called(port: Mapping[str, Any], protocol: str) -> str:
    return f"{protocol}-{port['target']}"


def _name(path: str, said: Any) -> str:
    if said and not _NAME.fullmatch(str(said)):
        raise ConfigurationError(
            f"a port of Kubernetes cannot be called {said}",
            path=path,
            why="that is 15 lower-case letters, digits and dashes at most",
        )
    return str(said or "")
