"""When a scheduled service runs: EventBridge Scheduler's forms and cron's, one into the other.

`rate(1 hour)`, `cron(0 3 * * ? *)` and `at(2026-11-24T03:00:00)` are EventBridge Scheduler's (User
Guide, "Schedule types"); `0 3 * * *` is cron's (crontab(5)), as Kubernetes has it. What one has no
words for in the other is refused, never approximated.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from shipit.model import cron_field
from shipit.model.cron_field import DAY, HOUR, MINUTE, MONTH, WEEKDAY, YEAR, Field

_FUNCTION = re.compile(r"(rate|cron|at)\((.*)\)")
_RATE = re.compile(r"(?P<n>[1-9][0-9]{0,5}) (?P<unit>minute|hour|day)s?")
_WHOLE = {"minute": 60, "hour": 24, "day": 1}  # how many make up the next unit
_AWS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY, YEAR)
_CRON = _AWS[:5]
_ANY = "?"
FORMS = (
    "rate(1 hour), cron(0 3 * * ? *), at(2026-11-24T03:00:00), or five fields of cron: 0 3 * * *"
)


class Schedule(msgspec.Struct, frozen=True):
    """`expression` as it was written; `timezone` is an IANA name, empty for UTC."""

    expression: str
    timezone: str = ""

    @property
    def for_aws(self) -> str:
        """EventBridge Scheduler's expression, always the same for the same times. Raises ValueError
        for what it has no form for."""
        times = _read(self.expression)
        if isinstance(times, _Rate):
            return f"rate({times.count} {times.unit if times.count == 1 else f'{times.unit}s'})"
        if isinstance(times, datetime):
            return f"at({times.isoformat()})"
        day, weekday = times[2], times[4]
        if not day.every and not weekday.every:
            raise ValueError(
                f"{self.expression!r} names days of the month and days of the week: cron runs on"
                " either, and EventBridge takes one of them alone"
            )
        words = [field.aws() for field in times]
        words[4 if weekday.every else 2] = _ANY
        return f"cron({' '.join(words)})"

    @property
    def for_cron(self) -> str:
        """Five fields, days of the week as 0-6 from Sunday on.

        A rate is lined up with the clock: `rate(6 hours)` is `0 */6 * * *`. Raises ValueError for
        what cron cannot say.
        """
        times = _read(self.expression)
        if isinstance(times, _Rate):
            return times.cron()
        if isinstance(times, datetime):
            said = f"{self.expression!r} is one moment, and cron has no year"
            raise ValueError(said)  # noqa: TRY004 - no type is wrong here
        if not times[5].every:
            raise ValueError(f"{self.expression!r} names years, and cron has none")
        return " ".join(field.cron() for field in times[:5])


class _Rate(msgspec.Struct, frozen=True):
    count: int
    unit: str

    def cron(self) -> str:
        whole = _WHOLE[self.unit]
        if whole % self.count:
            raise ValueError(
                f"every {self.count} {self.unit}s cannot be said in cron: the steps would not be"
                " even"
            )
        step = "*" if self.count == 1 else "0" if self.count == whole else f"*/{self.count}"
        return {
            "minute": f"{step} * * * *",
            "hour": f"0 {step} * * *",
            "day": "0 0 * * *",
        }[self.unit]


def parse(settings: Mapping[str, Any]) -> Schedule:
    """Of `x-shipit.schedule`, and `x-shipit.timezone` beside it. Raises ValueError with what is
    wrong with it."""
    said = settings.get("schedule")
    if not isinstance(said, str):
        raise ValueError(f"expected {FORMS}")  # noqa: TRY004 - all that is wrong comes as one kind
    expression = " ".join(said.split())
    _read(expression)
    return Schedule(expression, _zone(settings.get("timezone")))


def _zone(said: Any) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if said is None:
        return ""
    try:
        ZoneInfo(str(said))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {said!r}, as Europe/Madrid is one") from None
    return str(said)


def _read(text: str) -> _Rate | datetime | tuple[Field, ...]:
    """The times that it names: a rate, a local time, or the fields from the minute to the year."""
    found = _FUNCTION.fullmatch(text)
    if found is None:
        return _cron(text)
    function, inner = found.groups()
    if function == "rate":
        return _rate(text, inner)
    return _at(text, inner) if function == "at" else _aws_cron(text, inner)


def _rate(text: str, inner: str) -> _Rate:
    found = _RATE.fullmatch(inner)
    if not found:
        raise ValueError(f"{text!r} is no rate: write rate(5 minutes), rate(1 hour), rate(7 days)")
    return _Rate(int(found["n"]), found["unit"])


def _at(text: str, inner: str) -> datetime:
    try:
        return datetime.strptime(inner, "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        raise ValueError(f"{text!r} is no moment: write at(2026-11-24T03:00:00)") from None


def _aws_cron(text: str, inner: str) -> tuple[Field, ...]:
    words = inner.split()
    if len(words) != len(_AWS):
        raise ValueError(
            f"{text!r} has {len(words)} fields, not 6: the minute, hour, day of the month, month,"
            " day of the week and year"
        )
    if (words[2] == _ANY) == (words[4] == _ANY):
        raise ValueError(
            f"{text!r}: exactly one of the day of the month and the day of the week is ?"
        )
    pairs = zip(words, _AWS, strict=True)
    return tuple(cron_field.parse(word, part, text, aws=True) for word, part in pairs)


def _cron(text: str) -> tuple[Field, ...]:
    words = text.split()
    if len(words) != len(_CRON):
        raise ValueError(f"expected {FORMS}, found {text!r}")
    pairs = zip(words, _CRON, strict=True)
    found = [cron_field.parse(word, part, text, aws=False) for word, part in pairs]
    # Days that are all named, and not as `*`, are days all the same: cron runs on either.
    for named, other in ((2, 4), (4, 2)):
        if found[named].every and not words[named].startswith("*"):
            found[other] = cron_field.every(found[other].part)
    return (*found, cron_field.every(YEAR))
