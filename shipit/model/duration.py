"""Lengths of time as people write them: 90s, 10m, 24h, 7d, and sums of them (1h30m)."""

import re
from datetime import datetime, timedelta

from shipit.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")


def parse_duration(text: str) -> timedelta:
    """Raises ValueError. A bare number is refused: nobody remembers its unit."""
    parts = _PART.findall(text)
    if not parts or "".join(n + unit for n, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration: write 90s, 10m, 24h or 1h30m")
    seconds = sum(float(n) * (0.001 if u == "ms" else _SECONDS[u]) for n, u in parts)
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"{text!r} is longer than any calendar") from None


def format_duration(length: timedelta) -> str:
    """Two units at most, as a person would say it: 3d 4h, 12m 5s, 0.4s."""
    seconds = length.total_seconds()
    if seconds < 10:
        return f"{max(seconds, 0):.1f}s"
    total = int(seconds)
    words = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, total = divmod(total, size)
        if count:
            words.append(f"{count}{unit}")
    return " ".join(words[:2])


def moment(since: str, now: datetime) -> datetime:
    """`10m` (ago), or a date and time, in this machine's zone where it names none.

    Raises UsageError.
    """
    try:
        return now - parse_duration(since)
    except ValueError:
        pass
    try:
        said = datetime.fromisoformat(since)
    except ValueError:
        raise UsageError(
            f"{since!r} is not a time", next_step="write 10m, or 2026-11-24T08:00:00Z"
        ) from None
    return said if said.tzinfo else said.astimezone()
