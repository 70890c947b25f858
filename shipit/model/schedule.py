"""When a scheduled service runs: EventBridge Scheduler's forms and cron's, one into the other.

`rate(1 hour)`, `cron(0 3 * * ? *)` and `at(2026-11-24T03:00:00)` are EventBridge Scheduler's (User
Guide, "Schedule types"); `0 3 * * *` is cron's, as Kubernetes has it. What one has no words for in
the other is refused, never approximated.
"""

import re
from typing import Any

import msgspec

_RATE = re.compile(r"rate\((?P<n>[1-9][0-9]*) (?P<unit>minute|hour|day)s?\)")
_AT = re.compile(r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)")
_AWS_CRON = re.compile(r"cron\((?P<fields>.+)\)")
_FIELD = re.compile(r"[0-9A-Za-z*,/?#LW-]+")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_PER = {"minute": 60, "hour": 24}
FORMS = (
    "rate(1 hour), cron(0 3 * * ? *), at(2026-11-24T03:00:00), or five fields of cron: 0 3 * * *"
)


class Schedule(msgspec.Struct, frozen=True):
    """`expression` as it was written; `timezone` is an IANA name, empty for UTC."""

    expression: str
    timezone: str = ""

    @property
    def for_aws(self) -> str:
        """EventBridge Scheduler's expression. Raises ValueError for what it has no form for."""
        if "(" in self.expression:
            return self.expression
        minute, hour, day, month, weekday = self.expression.split()
        if day != "*" and weekday != "*":
            raise ValueError(
                "a day of the month or a day of the week: EventBridge takes one of them"
            )
        days = "?" if weekday != "*" else day
        week = "?" if weekday == "*" else _renamed(weekday)
        return f"cron({minute} {hour} {days} {month} {week} *)"

    @property
    def for_cron(self) -> str:
        """Five fields. Raises ValueError for what cron cannot say."""
        if "(" not in self.expression:
            return self.expression
        if rate := _RATE.fullmatch(self.expression):
            return _every(int(rate["n"]), rate["unit"])
        found = _AWS_CRON.fullmatch(self.expression)
        if not found:
            raise ValueError(f"cron has no form for {self.expression}")
        minute, hour, day, month, weekday, year = found["fields"].split()
        if year != "*" or re.search("[LW#]", f"{day}{weekday.upper().replace('WED', '')}"):
            raise ValueError(f"cron has no form for {self.expression}")
        return " ".join((minute, hour, day.replace("?", "*"), month, _numbered(weekday)))


def parse(settings: Any) -> Schedule:
    """Of `x-shipit.schedule`, and `x-shipit.timezone` beside it. Raises ValueError with what is
    wrong with it."""
    said = settings.get("schedule")
    if not isinstance(said, str):
        raise ValueError(f"expected {FORMS}")  # noqa: TRY004 - all that is wrong comes as one kind
    expression = " ".join(said.split())
    if not _is_one(expression):
        raise ValueError(f"expected {FORMS}, found {said!r}")
    return Schedule(expression, _zone(settings.get("timezone")))


def _is_one(text: str) -> bool:
    if rate := _RATE.fullmatch(text):
        return (rate["n"] == "1") != text.endswith("s)")
    if _AT.fullmatch(text):
        return True
    aws = _AWS_CRON.fullmatch(text)
    fields = (aws["fields"] if aws else text).split(" ")
    whole = len(fields) == (6 if aws else 5) and all(_FIELD.fullmatch(f) for f in fields)
    if not aws:
        return whole and "?" not in text
    return whole and [fields[2], fields[4]].count("?") == 1


def _zone(said: Any) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if said is None:
        return ""
    try:
        ZoneInfo(str(said))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {said!r}") from None
    return str(said)


def _every(number: int, unit: str) -> str:
    if unit == "day" and number == 1:
        return "0 0 * * *"
    if unit != "day" and _PER[unit] % number == 0:
        step = "*" if number == 1 else f"*/{number}"
        return f"{step} * * * *" if unit == "minute" else f"0 {step} * * *"
    raise ValueError(f"cron cannot say every {number} {unit}s: the steps would not be even")


def _renamed(weekday: str) -> str:
    """cron's 0 (or 7) is Sunday; EventBridge's 1 is. Names mean the same in both."""
    return re.sub(r"(?<![/\d#])\d", lambda m: _DAYS[int(m[0]) % 7], weekday)


def _numbered(weekday: str) -> str:
    """EventBridge's numbers as names, which cron takes too."""
    return re.sub(r"(?<![/\d#])\d", lambda m: _DAYS[int(m[0]) - 1], weekday).replace("?", "*")
