"""The containers of a project, as the engine reports them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from shipit.errors import RemoteError
from shipit.model.deployment import Health
from shipit.model.digest import Digest
from shipit.targets.docker.project import SPEC
from shipit.targets.engine.client import Engine

PROJECT = "com.docker.compose.project"
_SERVICE, _ONE_OFF = "com.docker.compose.service", "com.docker.compose.oneoff"
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - what the engine calls a port that is published everywhere
_UP = ("running", "restarting", "paused")
_PROBE = 200  # characters of what a health check said


class Container(msgspec.Struct, frozen=True):
    """One container. `images` are the digests that its engine knows its image by; `started` is in
    seconds since the epoch, 0 when it never was; `probe` is what its health check said last."""

    id: str
    name: str
    service: str
    state: str
    health: Health
    reference: str
    images: tuple[Digest, ...]
    spec: str
    one_off: bool
    labels: dict[str, str]
    ports: tuple[str, ...] = ()
    checked: bool = False
    probe: str = ""
    exit_code: int = 0
    out_of_memory: bool = False
    error: str = ""
    restarts: int = 0
    started: float = 0.0
    tty: bool = False

    @property
    def up(self) -> bool:
        return self.state in _UP


class Survey:
    """Reads a project's containers; an image's digests are asked for once."""

    def __init__(self, engine: Engine, project: str) -> None:
        self._engine = engine
        self._project = project
        self._digests: dict[str, tuple[Digest, ...]] = {}

    def containers(self) -> tuple[Container, ...]:
        """All of the project's, one-off ones included."""
        label = {"label": [f"{PROJECT}={self._project}"]}
        listed = self._engine.get("/containers/json", all=1, filters=label)
        return self.inspected(listed)

    def listed(self) -> list[dict[str, Any]]:
        """Every container of the engine, in the list's short form."""
        found: list[dict[str, Any]] = self._engine.get("/containers/json", all=1)
        return found

    def inspected(self, listed: list[dict[str, Any]]) -> tuple[Container, ...]:
        found = [self._inspect(row["Id"]) for row in listed]
        return tuple(sorted((c for c in found if c), key=lambda c: (c.service, c.name)))

    def own(self, row: dict[str, Any]) -> bool:
        return (row.get("Labels") or {}).get(PROJECT) == self._project

    def _inspect(self, identity: str) -> Container | None:
        try:
            found = self._engine.get(f"/containers/{identity}/json")
        except RemoteError as error:
            if error.status == 404:  # gone since it was listed
                return None
            raise
        return _container(found, self._images(found))

    def _images(self, found: dict[str, Any]) -> tuple[Digest, ...]:
        image = found["Image"]
        if image not in self._digests:
            self._digests[image] = tuple(self._known_by(image))
        platform = (found.get("ImageManifestDescriptor") or {}).get("digest")
        return self._digests[image] + ((Digest(platform),) if platform else ())

    def _known_by(self, image: str) -> Iterator[Digest]:
        """The digests it was pulled by, then the engine's own id for it."""
        try:
            pulled = self._engine.get(f"/images/{image}/json").get("RepoDigests") or ()
        except RemoteError as error:
            if error.status != 404:
                raise
            pulled = ()
        yield from {Digest(name.rpartition("@")[2]): None for name in pulled}
        yield Digest(image)


def _container(found: dict[str, Any], images: tuple[Digest, ...]) -> Container:
    state, config = found["State"], found["Config"]
    labels = config.get("Labels") or {}
    checks = state.get("Health") or {}
    return Container(
        id=found["Id"],
        name=found["Name"].lstrip("/"),
        service=labels.get(_SERVICE, ""),
        state=state["Status"],
        health=_health(state["Status"], checks.get("Status", "none")),
        reference=config["Image"],
        images=images,
        spec=labels.get(SPEC, ""),
        one_off=labels.get(_ONE_OFF) == "True",
        labels=labels,
        ports=tuple(_ports(found)),
        checked=checks.get("Status", "none") != "none",
        probe=_last_probe(checks),
        exit_code=state.get("ExitCode", 0),
        out_of_memory=state.get("OOMKilled", False),
        error=state.get("Error", ""),
        restarts=found.get("RestartCount", 0),
        started=_seconds(state.get("StartedAt", "")),
        tty=config.get("Tty", False),
    )


def _health(state: str, check: str) -> Health:
    if state == "running":
        known = {"none": Health.HEALTHY, "healthy": Health.HEALTHY, "starting": Health.STARTING}
        return known.get(check, Health.UNHEALTHY if check == "unhealthy" else Health.UNKNOWN)
    known = {
        "created": Health.STOPPED,
        "exited": Health.STOPPED,
        "dead": Health.STOPPED,
        "restarting": Health.UNHEALTHY,
    }
    return known.get(state, Health.UNKNOWN)


def _last_probe(checks: dict[str, Any]) -> str:
    """On one line and short: a program that is called wrongly prints all its usage."""
    log = checks.get("Log") or ()
    said = " ".join(str(log[-1].get("Output", "")).split()) if log else ""
    said = said if len(said) <= _PROBE else said[: _PROBE - 1] + "…"
    return said or (f"exit code {log[-1].get('ExitCode')}" if log else "")


def _ports(found: dict[str, Any]) -> Iterator[str]:
    """`127.0.0.1:8080->80/tcp`, as docker ps writes them; what is asked for while it is stopped."""
    bound = (found.get("NetworkSettings") or {}).get("Ports") or {}
    asked = (found.get("HostConfig") or {}).get("PortBindings") or {}
    for inside, hosts in (bound or asked).items():
        for host in hosts or ():
            yield f"{host.get('HostIp') or ANY_ADDRESS}:{host.get('HostPort')}->{inside}"


def _seconds(written: str) -> float:
    """An RFC 3339 time with nanoseconds; the year 1 is Go's way to say never."""
    if not written or written.startswith("0001-"):
        return 0.0
    whole, _, fraction = written.rstrip("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()
    return moment + float(f"0.{fraction}") if fraction.isdigit() else moment
