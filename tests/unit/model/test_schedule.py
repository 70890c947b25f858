"""Schedules in AWS's words and in cron's five fields, each turned into the other where exact."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipit.model.schedule import Schedule, parse

NO = None  # cannot be said so


def read(expression: str, **more: str) -> Schedule:
    return parse({"schedule": expression, **more})


@pytest.mark.parametrize(
    ("written", "aws", "cron"),
    [
        ("rate(1 hour)", "rate(1 hour)", "0 * * * *"),
        ("rate(1 hours)", "rate(1 hour)", "0 * * * *"),
        ("rate(5 minute)", "rate(5 minutes)", "*/5 * * * *"),
        ("rate(60 minutes)", "rate(60 minutes)", "0 * * * *"),
        ("rate(6 hours)", "rate(6 hours)", "0 */6 * * *"),
        ("rate(24 hours)", "rate(24 hours)", "0 0 * * *"),
        ("rate(1 day)", "rate(1 day)", "0 0 * * *"),
        ("rate(90 minutes)", "rate(90 minutes)", NO),
        ("rate(7 minutes)", "rate(7 minutes)", NO),
        ("rate(7 days)", "rate(7 days)", NO),
        ("at(2027-01-01T08:00:00)", "at(2027-01-01T08:00:00)", NO),
        ("cron(0 8 ? * MON-FRI *)", "cron(0 8 ? * MON-FRI *)", "0 8 * * 1-5"),
        ("cron(0 8 ? * 2-6 *)", "cron(0 8 ? * MON-FRI *)", "0 8 * * 1-5"),
        ("cron(0/15 * * * ? *)", "cron(0/15 * * * ? *)", "*/15 * * * *"),
        ("cron(*/15 * * * ? *)", "cron(0/15 * * * ? *)", "*/15 * * * *"),
        ("cron(0 8 L * ? *)", "cron(0 8 L * ? *)", NO),
        ("cron(0 8 L-3 * ? *)", "cron(0 8 L-3 * ? *)", NO),
        ("cron(0 8 15W * ? *)", "cron(0 8 15W * ? *)", NO),
        ("cron(0 8 LW * ? *)", "cron(0 8 LW * ? *)", NO),
        ("cron(0 8 ? * 6L *)", "cron(0 8 ? * 6L *)", NO),
        ("cron(0 8 ? * fri#2 *)", "cron(0 8 ? * FRI#2 *)", NO),
        ("cron(0 8 1 1 ? 2027-2029)", "cron(0 8 1 1 ? 2027-2029)", NO),
        ("0 8 * * 1-5", "cron(0 8 ? * MON-FRI *)", "0 8 * * 1-5"),
        ("0 8 * * MON,wed", "cron(0 8 ? * MON,WED *)", "0 8 * * 1,3"),
        ("0 0 * * 7", "cron(0 0 ? * SUN *)", "0 0 * * 0"),
        ("0 0 * * 5-7", "cron(0 0 ? * SUN,FRI-SAT *)", "0 0 * * 0,5-6"),
        ("0 0 * * 0-7", "cron(0 0 * * ? *)", "0 0 * * *"),
        ("0 0 */2 * *", "cron(0 0 1/2 * ? *)", "0 0 */2 * *"),
        ("5 4 1,15 jan-jun/2 *", "cron(5 4 1,15 1,3,5 ? *)", "5 4 1,15 1,3,5 *"),
        ("50/5 * * * *", "cron(50,55 * * * ? *)", "50,55 * * * *"),
        ("0 0 1 * 1", NO, "0 0 1 * 1"),
        # Every day is named, and cron runs on the days of either.
        ("0 0 1-31 * 1", "cron(0 0 * * ? *)", "0 0 * * *"),
    ],
)
def test_both_forms(written: str, aws: str | None, cron: str | None) -> None:
    found = read(written)
    for form, expected in (("for_aws", aws), ("for_cron", cron)):
        if expected is NO:
            with pytest.raises(ValueError, match=r"cannot be said|one moment|names"):
                getattr(found, form)
        else:
            assert getattr(found, form) == expected
    assert found == Schedule(written)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "expected rate(1 hour), cron(0 3 * * ? *), "),
        ("@hourly", "0 3 * * *, found '@hourly'"),
        ("hourly(1)", "found 'hourly(1)'"),
        ("rate(0 minutes)", "is no rate: write rate(5 minutes)"),
        ("rate(1 week)", "is no rate"),
        ("at(tomorrow)", "is no moment: write at(2026-11-24T03:00:00)"),
        ("at(2027-02-30T08:00:00)", "is no moment"),
        ("cron(0 8 * * * *)", "exactly one of the day of the month and the day of the week is ?"),
        ("cron(0 8 ? * ? *)", "exactly one of"),
        ("cron(0 8 * *)", "has 4 fields, not 6"),
        ("cron(0 8 ? * ABCL *)", "'ABCL' is no day of the week"),
        ("cron(? * * * ? *)", "'?' is no minute"),
        ("cron(0 8 ? * 0 *)", "'0' is no day of the week"),
        ("60 * * * *", "'60' is no minute"),
        ("0 24 * * *", "'24' is no hour"),
        ("0 0 0 * *", "'0' is no day of the month"),
        ("0 0 * 13 *", "'13' is no month"),
        ("0 0 * * 8", "'8' is no day of the week"),
        ("0 0 * * FRI-MON", "'FRI-MON' ends before it begins"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("0 0 ? * 1", "'?' is no day of the month"),
        ("0 0 L * *", "'L' is no day of the month"),
    ],
)
def test_what_is_none_says_why(written: str, why: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the words are looked at
        read(written)
    assert why in str(refused.value)


def test_a_time_zone_is_one_that_there_is() -> None:
    assert read("rate(1 hour)").timezone == ""
    assert read("0 8 * * *", timezone="Europe/Madrid").timezone == "Europe/Madrid"
    with pytest.raises(ValueError, match="no time zone 'Europe/Madird', as Europe/Madrid is one"):
        read("0 8 * * *", timezone="Europe/Madird")


def words(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    several = st.lists(number, min_size=1, max_size=4).map(lambda n: ",".join(map(str, n)))
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    return st.one_of(st.just("*"), several, span, st.integers(1, most).map(lambda n: f"*/{n}"))


@settings(deadline=None)  # how fast a machine is proves nothing here
@given(words(0, 59), words(0, 23), words(1, 31), words(1, 12), words(0, 6), st.booleans())
def test_turned_into_the_other_and_back_it_is_the_same(
    minute: str, hour: str, day: str, month: str, weekday: str, by_week: bool
) -> None:
    days = ("*", weekday) if by_week else (day, "*")
    first = read(f"{minute} {hour} {days[0]} {month} {days[1]}")
    assert read(first.for_aws).for_cron == first.for_cron
    assert read(first.for_cron).for_aws == first.for_aws


@settings(deadline=None)  # how fast a machine is proves nothing here
@given(words(0, 6))
def test_days_of_the_week_are_the_same_days(weekday: str) -> None:
    """Held against the calendar: AWS's names, cron's numbers from Sunday on."""
    found = read(f"0 0 * * {weekday}")
    monday = datetime(2026, 11, 23)
    named = found.for_aws.removeprefix("cron(").split()[4]
    numbers = found.for_cron.split()[4]
    for n in range(7):
        date = monday + timedelta(days=n)
        day = date.isoweekday() % 7
        in_cron = _is_among(day, numbers, [*"0123456"])
        assert in_cron == _is_among(day, named, ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])


def _is_among(day: int, words: str, order: list[str]) -> bool:
    for word in words.split(","):
        first, _, last = word.partition("-")
        if word in ("*", "?") or order.index(first) <= day <= order.index(last or first):
            return True
    return False


@settings(deadline=None)  # how fast a machine is proves nothing here
@given(st.text(alphabet="0123456789*/-,?LW#()ratecon MOFI", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read(text)
    except ValueError:
        return
    assert found.expression == " ".join(text.split())
