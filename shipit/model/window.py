"""Freeze windows: `Fri 16:00 - Mon 08:00 Europe/Madrid` every week, or between two dates."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKLY = re.compile(
    r"(?P<d1>[A-Za-z]{3}) (?P<h1>\d\d):(?P<m1>\d\d) - (?P<d2>[A-Za-z]{3}) (?P<h2>\d\d):(?P<m2>\d\d)"
    r"(?: (?P<zone>[A-Za-z0-9_+/-]+))?"
)
_DATED = re.compile(
    r"(?P<a>\d{4}-\d\d-\d\d(?: \d\d:\d\d)?) - (?P<b>\d{4}-\d\d-\d\d(?: \d\d:\d\d)?)"
    r"(?: (?P<zone>[A-Za-z0-9_+/-]+))?"
)


class Window(msgspec.Struct, frozen=True):
    """`start` and `end` in local time: minutes into the week (weekly), or dates (once)."""

    text: str
    zone: str
    weekly: tuple[int, int] | None = None
    dated: tuple[datetime, datetime] | None = None

    def end_if_open(self, now: datetime) -> datetime | None:
        """When the window that `now` falls into ends, in UTC; None outside of it."""
        zone = ZoneInfo(self.zone)
        local = now.astimezone(zone).replace(tzinfo=None)
        end = self._dated_end(local) if self.dated else self._weekly_end(local)
        if end is None:
            return None
        # Where clocks go back a local time comes twice (PEP 495): the end is the one ahead of us.
        first, second = (end.replace(tzinfo=zone, fold=n).astimezone(UTC) for n in (0, 1))
        return first if first > now else second

    def _dated_end(self, local: datetime) -> datetime | None:
        start, end = self.dated or (local, local)
        return end if start <= local < end else None

    def _weekly_end(self, local: datetime) -> datetime | None:
        start, end = self.weekly or (0, 0)
        week = 7 * 24 * 60
        minute = local.weekday() * 1440 + local.hour * 60 + local.minute
        length = (end - start) % week or week
        into = (minute - start) % week
        if into >= length:
            return None
        whole = local.replace(second=0, microsecond=0)
        return whole + timedelta(minutes=length - into)


def parse_window(text: str) -> Window:
    """Raises ValueError. Without a zone the window is in UTC."""
    weekly, dated = _WEEKLY.fullmatch(text), _DATED.fullmatch(text)
    found = weekly or dated
    if not found:
        raise ValueError(
            f"{text!r} is not a freeze window: write 'Fri 16:00 - Mon 08:00 Europe/Madrid' "
            "or '2026-12-20 - 2027-01-07 Europe/Madrid'"
        )
    zone = found["zone"] or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{text!r}: {zone!r} is not a time zone, as Europe/Madrid is") from None
    if weekly:
        return Window(text, zone, weekly=(_minute(weekly, "1"), _minute(weekly, "2")))
    start, end = (datetime.fromisoformat(found[name]) for name in "ab")
    if end <= start:
        raise ValueError(f"{text!r} ends before it begins")
    return Window(text, zone, dated=(start, end))


def _minute(found: re.Match[str], which: str) -> int:
    day = found[f"d{which}"].lower()
    hour, minute = int(found[f"h{which}"]), int(found[f"m{which}"])
    if day not in DAYS or hour > 23 or minute > 59:
        raise ValueError(f"{found[0]!r}: days are {', '.join(DAYS)}, times 00:00 to 23:59")
    return DAYS.index(day) * 1440 + hour * 60 + minute
