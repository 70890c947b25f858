"""Host ports: which ones a service publishes, and whether somebody else has them."""

import errno
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from shipit.errors import PreconditionError
from shipit.model.deployment import Action, Desired, Observed, Plan
from shipit.targets.docker.containers import ANY_ADDRESS

_EVERYWHERE = (ANY_ADDRESS, "::", "")


class HostPort(msgspec.Struct, frozen=True):
    """An address of the host, a port of it and tcp or udp."""

    address: str
    number: int
    protocol: str = "tcp"

    @classmethod
    def parse(cls, text: str) -> Self:
        """`0.0.0.0:8080/tcp`, as observations write it."""
        place, _, protocol = text.rpartition("/")
        address, _, number = place.rpartition(":")
        return cls(address, int(number), protocol)

    def overlaps(self, other: "HostPort") -> bool:
        if (self.number, self.protocol) != (other.number, other.protocol):
            return False
        same = self.address == other.address
        return same or self.address in _EVERYWHERE or other.address in _EVERYWHERE


def published(definition: Mapping[str, Any]) -> Iterator[HostPort]:
    """The fixed host ports of a service (a range is Compose's to choose from)."""
    for port in definition.get("ports") or ():
        number = str(port.get("published") or "") if isinstance(port, dict) else ""
        if number.isdigit() and int(number):
            address = port.get("host_ip") or ANY_ADDRESS
            yield HostPort(address, int(number), port.get("protocol") or "tcp")


def refuse_held(desired: Desired, observed: Observed) -> None:
    """Raises PreconditionError for a port that another container publishes."""
    held = [(HostPort.parse(where), holder) for where, holder in observed.ports.items()]
    for service in desired.services:
        for port in published(desired.project["services"][service]):
            for other, holder in held:
                if port.overlaps(other):
                    raise _taken(service, port, holder)


def refuse_bound(plan: Plan, observed: Observed) -> None:
    """Raises PreconditionError for a port that a program on this machine listens on.

    Only for an engine on this machine. Ports that the project's own containers publish are theirs.
    """
    own = [_own(port) for s in observed.services.values() for port in s.ports if s.running]
    for change in plan.changes:
        if change.action not in (Action.CREATE, Action.UPDATE):
            continue
        for port in published(plan.desired.project["services"][change.service]):
            if not any(port.overlaps(ours) for ours in own) and _in_use(port):
                raise _taken(change.service, port, _listener(port))


def _own(port: str) -> HostPort:
    outside, _, inside = port.partition("->")
    address, _, number = outside.rpartition(":")
    return HostPort(address, int(number or 0), inside.partition("/")[2] or "tcp")


def _taken(service: str, port: HostPort, holder: str) -> PreconditionError:
    return PreconditionError(
        f"{service} cannot publish port {port.number}: it is taken",
        f"{holder} has {port.address}:{port.number}/{port.protocol}",
        "end that, or publish another port for this environment in its compose overlay and build "
        "again",
    )


def _in_use(port: HostPort) -> bool:
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    kind = socket.SOCK_DGRAM if port.protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.address, port.number))
        except OSError as error:
            # Any other error (an address that this machine does not have) is Docker's to report.
            return error.errno == errno.EADDRINUSE
    return False


def _listener(port: HostPort) -> str:
    """Who listens, where Linux lets us see it (proc(5): /proc/net/tcp, /proc/<pid>/fd)."""
    nodes = {f"socket:[{node}]" for node in _sockets(port)}
    for process in Path("/proc").glob("[0-9]*") if nodes else ():
        try:
            if any(str(fd.readlink()) in nodes for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue
    return "another program on this machine"


def _sockets(port: HostPort) -> Iterator[str]:
    """The inode numbers of the sockets that are bound to the port."""
    for table in (port.protocol, f"{port.protocol}6"):
        try:
            rows = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if int(columns[1].rpartition(":")[2], 16) == port.number and columns[9] != "0":
                yield columns[9]
