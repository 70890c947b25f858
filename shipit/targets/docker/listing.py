"""Containers as rows, and times as people write them."""

from datetime import UTC, datetime

from shipit.errors import UsageError
from shipit.model.duration import parse_duration
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
    try:
        return now - parse_duration(since).total_seconds()
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise UsageError(
            f"{since!r} is not a time", next_step="write 10m, or 2026-11-24T08:00:00Z"
        ) from None
    return (moment if moment.tzinfo else moment.astimezone()).timestamp()
