"""Soak and freeze: what time alone opens, to the minute."""

from datetime import UTC, datetime, timedelta

import pytest

from shipit.model.events import EnvironmentRemoved
from shipit.model.pipeline import Gates
from shipit.model.state import State
from shipit.policy.freeze import not_frozen
from shipit.policy.soak import soaked
from shipit.policy.verdict import Allowed, Held, Verdict
from tests.fakes.project import environment, make_release
from tests.fakes.story import Story

QA = environment("qa", after="dev", gates=Gates(soak="24h"))


def test_none_needed_is_open() -> None:
    story = Story()
    a = story.release("a")
    for place in (environment("dev"), environment("qa", after="dev")):
        assert soaked(a, place, story.state, story.now) == Allowed("soak", "none needed")


def test_what_never_ran_upstream_has_no_end_in_sight() -> None:
    story = Story()
    a = story.release("a")
    assert soaked(a, QA, story.state, story.now) == Held(
        "soak", "a has run 0.0s of 24h in dev", "wait", until=None, overridable=True
    )


def test_soak_opens_when_the_time_is_over_and_no_sooner() -> None:
    story = Story()
    a = story.release("a")
    since = story.deploy(a, "dev")
    end = since + timedelta(hours=24)
    early = soaked(a, QA, story.state, end - timedelta(seconds=1))
    assert early == Held(
        "soak", "a has run 23h 59m of 24h in dev", "wait", until=end, overridable=True
    )
    assert soaked(a, QA, story.state, end) == Allowed("soak", "ran 1d in dev")


def test_deploying_it_again_upstream_does_not_start_the_clock_again() -> None:
    story = Story()
    a = story.release("a")
    since = story.deploy(a, "dev")
    story.now = since + timedelta(hours=23)
    story.deploy(a, "dev")
    assert isinstance(soaked(a, QA, story.state, since + timedelta(hours=24)), Allowed)


def test_coming_back_after_another_release_starts_the_clock_again() -> None:
    story = Story()
    a, b = story.release("a"), story.release("b")
    first = story.deploy(a, "dev")
    story.deploy(b, "dev")
    story.now = first + timedelta(hours=23)
    again = story.deploy(a, "dev")
    said = soaked(a, QA, story.state, first + timedelta(hours=24))
    assert isinstance(said, Held)
    assert said.until == again + timedelta(hours=24)


def frozen(now: str, *windows: str) -> Verdict:
    """Of an environment with these windows, at this time in UTC."""
    made = make_release("a")
    when = datetime.fromisoformat(now).replace(tzinfo=UTC)
    place = environment("dev", gates=Gates(freeze=windows))
    return not_frozen(made, place, State(), when)  # type: ignore[arg-type]


def until(now: str, *windows: str) -> str | None:
    """When it opens, in UTC; None when it is open."""
    said = frozen(now, *windows)
    if isinstance(said, Allowed):
        return None
    assert said.until is not None
    return said.until.strftime("%Y-%m-%d %H:%M")


def test_no_windows_and_outside_of_them() -> None:
    assert frozen("2026-11-24 12:00") == Allowed("freeze", "no windows")
    outside = frozen("2026-11-24 12:00", "Fri 16:00 - Mon 08:00")
    assert outside == Allowed("freeze", "outside every window")


def test_a_freeze_says_its_window_its_end_and_the_way_past() -> None:
    assert frozen("2026-11-28 12:00", "Fri 16:00 - Mon 08:00") == Held(
        "freeze",
        "dev takes no releases in the window Fri 16:00 - Mon 08:00",
        "wait, or go past it with a reason on record: `shipit deploy --env dev --override REASON`",
        until=datetime(2026, 11, 30, 8, 0, tzinfo=UTC),
        overridable=True,
    )


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-27 15:59:59", None),
        ("2026-11-27 16:00:00", "2026-11-30 08:00"),
        ("2026-11-29 23:59:59", "2026-11-30 08:00"),
        ("2026-11-30 00:00:00", "2026-11-30 08:00"),
        ("2026-11-30 07:59:59", "2026-11-30 08:00"),
        ("2026-11-30 08:00:00", None),
    ],
)
def test_a_window_over_the_weekend(now: str, opens: str | None) -> None:
    assert until(now, "Fri 16:00 - Mon 08:00") == opens


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-23 09:59", None),
        ("2026-11-23 10:00", "2026-11-23 12:00"),
        ("2026-11-23 12:00", None),
        ("2026-11-24 11:00", None),
    ],
)
def test_a_window_within_a_day(now: str, opens: str | None) -> None:
    assert until(now, "Mon 10:00 - Mon 12:00") == opens


def test_a_window_that_ends_where_it_begins_is_the_whole_week() -> None:
    assert until("2026-11-25 12:00", "Mon 00:00 - Mon 00:00") == "2026-11-30 00:00"


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-27 14:59", None),  # winter: Madrid is an hour ahead
        ("2026-11-27 15:00", "2026-11-30 07:00"),
        ("2026-07-03 13:59", None),  # summer: two hours
        ("2026-07-03 14:00", "2026-07-06 06:00"),
        ("2026-03-27 15:00", "2026-03-30 06:00"),  # the clocks go forward within the window
        ("2026-10-23 14:00", "2026-10-26 07:00"),  # and back
    ],
)
def test_a_window_in_its_own_time_zone(now: str, opens: str | None) -> None:
    assert until(now, "Fri 16:00 - Mon 08:00 Europe/Madrid") == opens


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-10-25 00:15", "2026-10-25 00:30"),  # 02:15 in summer time
        ("2026-10-25 01:15", "2026-10-25 01:30"),  # 02:15 again, in winter time
    ],
)
def test_an_end_in_the_hour_that_comes_twice(now: str, opens: str) -> None:
    assert until(now, "Sun 00:00 - Sun 02:30 Europe/Madrid") == opens


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-12-19 22:59", None),
        ("2026-12-19 23:00", "2027-01-06 23:00"),
        ("2027-01-06 22:59", "2027-01-06 23:00"),
        ("2027-01-06 23:00", None),
        ("2027-12-25 12:00", None),
    ],
)
def test_a_dated_window(now: str, opens: str | None) -> None:
    assert until(now, "2026-12-20 - 2027-01-07 Europe/Madrid") == opens


def test_a_dated_window_with_times() -> None:
    window = "2026-12-20 18:30 - 2026-12-21 06:00"
    assert until("2026-12-20 18:29", window) is None
    assert until("2026-12-20 18:30", window) == "2026-12-21 06:00"


def test_the_first_window_that_is_shut_is_named() -> None:
    windows = ("Mon 10:00 - Mon 12:00", "2026-12-20 - 2027-01-07", "Tue 10:00 - Tue 14:00")
    said = frozen("2026-11-24 12:00", *windows)
    assert isinstance(said, Held)
    assert said.reason.endswith("Tue 10:00 - Tue 14:00")


def test_what_was_replaced_upstream_does_not_go_on_soaking() -> None:
    story = Story()
    a, b = story.release("a"), story.release("b")
    first = story.deploy(a, "dev")
    story.now = first + timedelta(hours=1)
    story.deploy(b, "dev")
    assert soaked(a, QA, story.state, first + timedelta(hours=48)) == Held(
        "soak",
        "a has run 1h 1m of 24h in dev, and does not run there any more",
        "promote what runs there now",
        until=None,
        overridable=True,
    )


def test_what_has_soaked_may_still_go_on_when_it_was_replaced() -> None:
    story = Story()
    a, b = story.release("a"), story.release("b")
    first = story.deploy(a, "dev")
    story.now = first + timedelta(hours=25)
    story.deploy(b, "dev")
    assert isinstance(soaked(a, QA, story.state, story.now), Allowed)


def test_an_environment_that_was_removed_soaks_nothing() -> None:
    story = Story()
    a = story.release("a")
    first = story.deploy(a, "dev")
    story.tell(EnvironmentRemoved(environment="dev"))
    assert isinstance(soaked(a, QA, story.state, first + timedelta(hours=48)), Held)
