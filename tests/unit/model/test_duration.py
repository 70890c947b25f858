"""Durations as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.errors import UsageError
from shipit.model.duration import format_duration, moment, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("24h", 86400),
        ("7d", 604800),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("0s", 0),
    ],
)
def test_they_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "1 h", "-5m", "1h 30m", "5x", "1hh", "h1", "\u0661h"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["9999999999d", "9" * 400 + "d"])
def test_what_no_calendar_holds(text: str) -> None:
    with pytest.raises(ValueError, match="longer than any calendar"):
        parse_duration(text)


@given(st.text(alphabet="0123456789.smhd -", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        length = parse_duration(text)
    except ValueError:
        return
    assert length >= timedelta(0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (-1, "0.0s"),
        (0.44, "0.4s"),
        (9.9, "9.9s"),
        (10, "10s"),
        (59.9, "59s"),
        (60, "1m"),
        (725, "12m 5s"),
        (3600, "1h"),
        (86400 * 3 + 3600 * 4 + 59, "3d 4h"),
        (86400 * 3 + 5, "3d 5s"),
    ],
)
def test_they_are_said(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.integers(min_value=10, max_value=10**8))
def test_said_and_read_again_it_is_the_same_to_two_units(seconds: int) -> None:
    said = format_duration(timedelta(seconds=seconds))
    heard = parse_duration(said.replace(" ", "")).total_seconds()

    assert len(said.split()) <= 2
    assert heard <= seconds
    assert seconds - heard < max(3600, seconds * 0.05)


NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("90m", datetime(2026, 11, 24, 10, 30, tzinfo=UTC)),
        ("2026-11-24T08:00:00Z", datetime(2026, 11, 24, 8, 0, tzinfo=UTC)),
        ("2026-11-24T08:00:00+02:00", datetime(2026, 11, 24, 6, 0, tzinfo=UTC)),
    ],
)
def test_a_moment_is_ago_or_said(said: str, at: datetime) -> None:
    assert moment(said, NOW) == at


def test_a_moment_without_a_zone_is_of_this_machine() -> None:
    naive = datetime(2026, 11, 24, 8, 0)
    assert moment("2026-11-24 08:00", NOW) == naive.astimezone()


def test_what_is_no_moment() -> None:
    with pytest.raises(UsageError, match="'yesterday' is not a time"):
        moment("yesterday", NOW)
