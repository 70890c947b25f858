"""Approvals, and what a reason on record opens."""

import pytest

from shipit.model.events import HoldSet, ReleaseApproved, ReleaseRejected
from shipit.model.pipeline import Gates
from shipit.model.release import ReleaseSummary, summarize
from shipit.policy.approvals import approved
from shipit.policy.gates import GATES, ask_gates, holding
from shipit.policy.verdict import Allowed, Held
from tests.fakes.project import environment, make_release
from tests.fakes.story import Story

PRODUCTION = environment(
    "production",
    after="qa",
    gates=Gates(approvals=2, soak="1h", freeze=("Mon 00:00 - Sun 00:00",)),
)


@pytest.fixture
def story() -> Story:
    return Story()


def yes(release: ReleaseSummary, environment: str = "production") -> ReleaseApproved:
    return ReleaseApproved(environment=environment, release=release.digest)


def no(release: ReleaseSummary, comment: str = "") -> ReleaseRejected:
    return ReleaseRejected(environment="production", release=release.digest, comment=comment)


def test_none_needed_is_open(story: Story) -> None:
    said = approved(story.release("a"), environment("dev"), story.state, story.now)
    assert said == Allowed("approvals", "none needed")


def test_too_few_are_counted_and_named(story: Story) -> None:
    a = story.release("a")
    how = "`shipit approve a --env production`"
    assert approved(a, PRODUCTION, story.state, story.now) == Held(
        "approvals", "a has 0 of 2 approvals", how, overridable=True
    )
    story.tell(yes(a), by="bea")
    assert approved(a, PRODUCTION, story.state, story.now) == Held(
        "approvals", "a has 1 of 2 approvals (bea)", how, overridable=True
    )


def test_enough_are_named(story: Story) -> None:
    a = story.release("a")
    story.tell(yes(a), by="cleo")
    story.tell(yes(a), by="bea")
    said = approved(a, PRODUCTION, story.state, story.now)
    assert said == Allowed("approvals", "approved by bea, cleo")


def test_one_person_counts_once(story: Story) -> None:
    a = story.release("a")
    story.tell(yes(a), by="bea")
    story.tell(yes(a), by="bea")
    assert isinstance(approved(a, PRODUCTION, story.state, story.now), Held)


def test_fm31_an_approval_for_elsewhere_does_not_count(story: Story) -> None:
    a = story.release("a")
    story.tell(yes(a), by="bea")
    story.tell(yes(a, "qa"), by="cleo")
    assert isinstance(approved(a, PRODUCTION, story.state, story.now), Held)


@pytest.mark.parametrize(
    "change",
    [{"settings": {"LEVEL": "debug"}}, {"services": ("web", "worker")}, {"commit": "c" * 40}],
)
def test_fm31_an_approval_is_for_these_bytes_and_this_configuration(
    story: Story, change: dict[str, object]
) -> None:
    a = story.release("a")
    for person in ("bea", "cleo"):
        story.tell(yes(a), by=person)
    other = summarize(make_release("a", **change))  # type: ignore[arg-type]
    assert other.id == a.id
    assert isinstance(approved(a, PRODUCTION, story.state, story.now), Allowed)
    assert isinstance(approved(other, PRODUCTION, story.state, story.now), Held)


def test_a_rejection_holds_whoever_approved(story: Story) -> None:
    a = story.release("a")
    for person in ("bea", "cleo"):
        story.tell(yes(a), by=person)
    story.tell(no(a, "the totals are wrong"), by="dan")
    said = approved(a, PRODUCTION, story.state, story.now)
    assert said == Held(
        "approvals",
        "dan rejected a: the totals are wrong",
        "they can change their word with `shipit approve a --env production`",
    )


def test_a_rejection_holds_where_no_approval_is_needed(story: Story) -> None:
    a = story.release("a")
    story.tell(no(a), by="dan")
    said = approved(a, environment("production", after="qa"), story.state, story.now)
    assert isinstance(said, Held)
    assert said.reason == "dan rejected a"


def test_the_newest_word_of_a_person_counts(story: Story) -> None:
    a = story.release("a")
    story.tell(yes(a), by="bea")
    story.tell(no(a), by="cleo")
    story.tell(yes(a), by="cleo")
    assert isinstance(approved(a, PRODUCTION, story.state, story.now), Allowed)
    story.tell(no(a), by="bea")
    assert isinstance(approved(a, PRODUCTION, story.state, story.now), Held)


def test_every_gate_answers_at_once(story: Story) -> None:
    a = story.release("a")
    story.tell(HoldSet(environment="production", reason="the sale"))
    verdicts = ask_gates(a, PRODUCTION, story.state, story.now)
    assert len(verdicts) == len(GATES)
    held = [v.gate for v in holding(verdicts)]
    assert held == ["verified upstream", "hold", "approvals", "soak", "freeze"]


def test_fm38_a_reason_opens_what_may_be_opened_and_nothing_else(story: Story) -> None:
    a = story.release("a")
    story.tell(HoldSet(environment="production", reason="the sale"))
    verdicts = ask_gates(a, PRODUCTION, story.state, story.now)
    left = [v.gate for v in holding(verdicts, override="the site is down")]
    assert left == ["verified upstream", "hold"]


def test_fm38_a_reason_opens_neither_order_nor_a_rejection(story: Story) -> None:
    a, b = story.release("a"), story.release("b")
    story.deploy(b, "production")
    story.tell(no(a), by="dan")
    verdicts = ask_gates(a, PRODUCTION, story.state, story.now)
    left = {v.gate for v in holding(verdicts, override="the site is down")}
    assert {"order", "approvals"} <= left
