"""Verified upstream, hold and order: what a release must have behind it."""

import pytest

from shipit.model.events import DeploymentFailed, HealthChecked, HoldLifted, HoldSet, Kind
from shipit.model.progress import Reason
from shipit.policy.hold import not_held
from shipit.policy.order import not_older
from shipit.policy.upstream import verified_upstream
from shipit.policy.verdict import Allowed, Held
from tests.fakes.project import environment
from tests.fakes.story import Story

DEV, QA = environment("dev"), environment("qa", after="dev")


@pytest.fixture
def story() -> Story:
    return Story()


def test_the_first_environment_has_nothing_upstream(story: Story) -> None:
    a = story.release("a")
    said = verified_upstream(a, DEV, story.state, story.now)
    assert said == Allowed("verified upstream", "dev is the first environment")


def test_a_release_that_was_nowhere_is_held(story: Story) -> None:
    a = story.release("a")
    assert verified_upstream(a, QA, story.state, story.now) == Held(
        "verified upstream",
        "a has not succeeded in dev",
        "run `shipit deploy --env dev --release a` first",
    )


def test_a_deployment_under_way_upstream_proves_nothing(story: Story) -> None:
    a = story.release("a")
    story.start(a, "dev")
    assert isinstance(verified_upstream(a, QA, story.state, story.now), Held)


def test_proven_upstream_opens_and_says_since_when(story: Story) -> None:
    a = story.release("a")
    story.deploy(a, "dev")
    said = verified_upstream(a, QA, story.state, story.now)
    assert said == Allowed("verified upstream", "proven in dev since 2026-11-24 12:02 UTC")


def test_an_older_release_that_was_proven_stays_proven(story: Story) -> None:
    a, b = story.release("a"), story.release("b")
    story.deploy(a, "dev")
    story.deploy(b, "dev")
    assert isinstance(verified_upstream(a, QA, story.state, story.now), Allowed)


def test_proof_elsewhere_is_no_proof_upstream(story: Story) -> None:
    a = story.release("a")
    story.deploy(a, "qa")
    assert isinstance(verified_upstream(a, QA, story.state, story.now), Held)


def test_unhealthy_upstream_holds_until_it_is_verified(story: Story) -> None:
    a = story.release("a")
    story.deploy(a, "dev")
    story.tell(HealthChecked(environment="dev", healthy=False, note="web: is not running"))
    assert verified_upstream(a, QA, story.state, story.now) == Held(
        "verified upstream",
        "a runs in dev but is not healthy there: web: is not running",
        "mend it and run `shipit verify --env dev`",
    )
    story.tell(HealthChecked(environment="dev", healthy=True))
    assert isinstance(verified_upstream(a, QA, story.state, story.now), Allowed)


def test_a_deployment_that_failed_over_it_upstream_holds(story: Story) -> None:
    a = story.release("a")
    story.deploy(a, "dev")
    token = story.start(a, "dev")
    reason = Reason("web", "exited with code 1")
    story.tell(DeploymentFailed(environment="dev", token=token, reasons=(reason,)))
    said = verified_upstream(a, QA, story.state, story.now)
    assert isinstance(said, Held)
    assert "a deployment failed here" in said.reason


def test_what_was_rolled_back_upstream_is_not_verified_any_more(story: Story) -> None:
    a, b = story.release("a"), story.release("b")
    story.deploy(a, "dev")
    story.deploy(b, "dev")
    story.deploy(a, "dev", Kind.ROLLBACK)
    assert isinstance(verified_upstream(b, QA, story.state, story.now), Held)
    assert isinstance(verified_upstream(a, QA, story.state, story.now), Allowed)


def test_no_hold_is_open(story: Story) -> None:
    assert not_held(story.release("a"), DEV, story.state, story.now) == Allowed("hold", "no hold")


def test_a_hold_names_who_when_and_why(story: Story) -> None:
    a = story.release("a")
    story.tell(HoldSet(environment="dev", reason="the sale"), by="bea")
    assert not_held(a, DEV, story.state, story.now) == Held(
        "hold",
        "dev is held by bea since 2026-11-24 12:01 UTC: the sale",
        "lift it with `shipit unfreeze dev`",
    )


def test_a_hold_is_for_its_environment_and_ends_when_lifted(story: Story) -> None:
    a = story.release("a")
    story.tell(HoldSet(environment="dev", reason="the sale"))
    assert isinstance(not_held(a, QA, story.state, story.now), Allowed)
    story.tell(HoldLifted(environment="dev"))
    assert isinstance(not_held(a, DEV, story.state, story.now), Allowed)


def test_what_runs_may_be_brought_up_again_under_a_hold(story: Story) -> None:
    a, b = story.release("a"), story.release("b")
    story.deploy(a, "dev")
    story.tell(HoldSet(environment="dev", reason="the sale"))
    assert not_held(a, DEV, story.state, story.now) == Allowed("hold", "held, but a is what runs")
    assert isinstance(not_held(b, DEV, story.state, story.now), Held)


def test_fm30_an_older_release_does_not_replace_a_newer_one(story: Story) -> None:
    a, b = story.release("a"), story.release("b")
    story.deploy(b, "dev")
    assert not_older(a, DEV, story.state, story.now) == Held(
        "order",
        "a is older than b, which runs in dev",
        "a step back is a rollback: `shipit rollback --env dev --to a`",
    )


def test_fm30_the_same_and_a_newer_release_are_in_order(story: Story) -> None:
    a, b = story.release("a"), story.release("b")
    assert isinstance(not_older(a, DEV, story.state, story.now), Allowed)
    story.deploy(a, "dev")
    for release in (a, b):
        said = not_older(release, DEV, story.state, story.now)
        assert said == Allowed("order", "not older than what runs")


def test_fm30_after_a_rollback_the_newer_release_is_in_order(story: Story) -> None:
    a, b = story.release("a"), story.release("b")
    story.deploy(a, "dev")
    story.deploy(b, "dev")
    story.deploy(a, "dev", Kind.ROLLBACK)
    assert isinstance(not_older(b, DEV, story.state, story.now), Allowed)
