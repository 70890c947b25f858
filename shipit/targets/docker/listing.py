"""Containers as rows, and times as people write them."""

from datetime import UTC, datetime

from shipit.model.duration import moment
from shipit.targets.docker.containers import Container


def row(container: Container) -> dict[str, str]:
    """A line of `shipit ps`. `since` is the time of the last start, RFC 3339, or empty."""
    started = datetime.fromtimestamp(container.started, UTC) if container.started else None
    return {
        "name": container.name,
        "service": container.service,
        "image": container.reference.partition("@")[0],
        "digest": str(container.images[0]) if container.images else "",
        "state": container.state,
        "health": str(container.health),
        "ports": ", ".join(container.ports),
        "since": started.isoformat(timespec="seconds") if started else "",
    }


def since_seconds(since: str, now: float) -> float:
    """`10m` (ago), or a date and time, as seconds since the epoch. Raises UsageError."""
    return moment(since, datetime.fromtimestamp(now, UTC)).timestamp()
