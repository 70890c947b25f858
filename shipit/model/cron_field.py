"""One field of a cron expression: which values it names, in AWS's numbers and in cron's.

They differ in the day of the week (AWS 1-7, cron 0-6 and 7 again, both from Sunday on), in steps
from the first value on (AWS `0/15`, cron `*/15`), and in what AWS alone has: L, W, # and years.
"""

import re
from itertools import pairwise

import msgspec

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_ITEM = re.compile(
    r"(?P<all>[*?])(?:/(?P<every>[0-9]{1,4}))?"
    r"|(?P<first>[0-9]{1,4}|[A-Z]{3})(?:-(?P<last>[0-9]{1,4}|[A-Z]{3}))?(?:/(?P<step>[0-9]{1,4}))?"
)
_LAST_DAY = re.compile(r"L(-[0-9]{1,2})?|LW|(3[01]|[12][0-9]|[1-9])W")
_LAST_WEEKDAY = re.compile(r"([1-7]|[A-Z]{3})(L|#[1-5])|L")


class Part(msgspec.Struct, frozen=True):
    """What a field is about: `least` to `most` in our own count, in which a day of the week is 0
    for Sunday as in cron; AWS's is `shift` more. `names` from `least` on."""

    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()
    shift: int = 0


MINUTE = Part("minute", 0, 59)
HOUR = Part("hour", 0, 23)
DAY = Part("day of the month", 1, 31)
MONTH = Part("month", 1, 12, _MONTHS)
WEEKDAY = Part("day of the week", 0, 6, _DAYS, shift=1)
YEAR = Part("year", 1970, 2199)


class Field(msgspec.Struct, frozen=True):
    """`values` are in order and in our own count; `only_aws` is instead what AWS alone can say."""

    part: Part
    values: tuple[int, ...] = ()
    only_aws: str = ""

    @property
    def every(self) -> bool:
        return len(self.values) == self.part.most - self.part.least + 1

    def aws(self) -> str:
        if self.only_aws:
            return self.only_aws
        words = self.part.names if self.part.least == 0 else ()  # AWS counts days from 1
        return self._written(first_step=str(self.part.least), words=words)

    def cron(self) -> str:
        """Raises ValueError for what AWS alone can say."""
        if self.only_aws:
            raise ValueError(
                f"the {self.part.name} {self.only_aws!r} cannot be said in cron's five fields"
            )
        return self._written(first_step="*", words=())

    def _written(self, *, first_step: str, words: tuple[str, ...]) -> str:
        if self.every:
            return "*"
        step = self._step()
        if step > 1:
            return f"{first_step}/{step}"
        said = [words[value] if words else str(value) for value in range(self.part.most + 1)]
        return ",".join(
            said[first] if first == last else f"{said[first]}-{said[last]}"
            for first, last in _runs(self.values)
        )

    def _step(self) -> int:
        """n for the least value and every n-th after it to the end; 0 for anything else."""
        if len(self.values) < 2 or self.part.names:
            return 0
        step = self.values[1] - self.values[0]
        whole = tuple(range(self.part.least, self.part.most + 1, step))
        return step if step > 1 and self.values == whole else 0


def every(part: Part) -> Field:
    return Field(part, tuple(range(part.least, part.most + 1)))


def parse(word: str, part: Part, text: str, *, aws: bool) -> Field:
    """`text` is the whole expression, for the error. Raises ValueError."""
    upper = word.upper()
    if aws and _says_last(upper, part):
        return Field(part, only_aws=upper)
    values = {value for item in upper.split(",") for value in _item(item, part, text, aws=aws)}
    return Field(part, tuple(sorted(values)))


def _says_last(word: str, part: Part) -> bool:
    pattern = {DAY.name: _LAST_DAY, WEEKDAY.name: _LAST_WEEKDAY}.get(part.name)
    if pattern is None or not pattern.fullmatch(word):
        return False
    return not word[:3].isalpha() or len(word) < 3 or word[:3] in (*part.names, "LW")


def _item(item: str, part: Part, text: str, *, aws: bool) -> range | tuple[int, ...]:
    found = _ITEM.fullmatch(item)
    if found is None or (found["all"] == "?" and (not aws or part not in (DAY, WEEKDAY))):
        raise _wrong(item, part, text)
    step = int(found["step"] or found["every"] or 1)
    if not step or step > part.most:
        raise _wrong(item, part, text)
    if found["all"]:
        return range(part.least, part.most + 1, step)
    first = _value(found["first"], part, text, aws=aws)
    last = _value(found["last"], part, text, aws=aws, last=True) if found["last"] else first
    if found["step"] and not found["last"]:
        last = part.most  # from the first value on: AWS's form, and Kubernetes's
    if last < first:
        raise ValueError(f"{text!r}: the {part.name} {item!r} ends before it begins")
    days = range(first, last + 1, step)
    return tuple(day % 7 for day in days) if part == WEEKDAY else days


def _value(word: str, part: Part, text: str, *, aws: bool, last: bool = False) -> int:
    """In our own count; cron's 7 at a range's end stays 7, so that 5-7 is a range."""
    if word in part.names:
        return part.names.index(word) + part.least
    if not word.isdecimal():
        raise _wrong(word, part, text)
    value = int(word) - (part.shift if aws else 0)
    sunday = part == WEEKDAY and not aws and value == 7
    if sunday:
        return 7 if last else 0
    if not part.least <= value <= part.most:
        raise _wrong(word, part, text)
    return value


def _runs(values: tuple[int, ...]) -> list[tuple[int, int]]:
    """The first and the last of each stretch of values that follow one another."""
    breaks = [n for n, (a, b) in enumerate(pairwise(values), 1) if b != a + 1]
    starts, ends = [0, *breaks], [*breaks, len(values)]
    return [(values[a], values[b - 1]) for a, b in zip(starts, ends, strict=True)]


def _wrong(word: str, part: Part, text: str) -> ValueError:
    return ValueError(f"{text!r}: {word!r} is no {part.name}")
