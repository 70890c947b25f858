"""The fold: what holds whatever happens, and what each event means."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipit.model import codec
from shipit.model import events as e
from shipit.model.digest import Digest
from shipit.model.progress import Reason, Stage
from shipit.model.release import ReleaseSummary, Source
from shipit.model.state import (
    KEPT_DEPLOYMENTS,
    KEPT_PROVEN,
    KEPT_RELEASES,
    State,
    fold,
    refusal,
)

START = datetime(2026, 11, 2, 10, tzinfo=UTC)
ANNA, BEN = e.Actor("anna"), e.Actor("ben")
A, B, C = (Digest.of(name) for name in (b"a", b"b", b"c"))
WHY = (Reason("web", "it did not start", ("a line",)),)


def commit(number: int, *events: e.Event, by: e.Actor = ANNA) -> e.Commit:
    return e.Commit(number, START + timedelta(minutes=number), by, events, f"id{number}")


def folded(*events: e.Event | Sequence[e.Event], by: e.Actor = ANNA) -> State:
    """A commit for each argument."""
    state = State()
    for number, given_ in enumerate(events, 1):
        together = given_ if isinstance(given_, Sequence) else (given_,)
        state = fold(state, commit(number, *together, by=by))
    return state


def started(environment: str = "dev", release: Digest = A, **more: object) -> e.DeploymentStarted:
    plain = {"environment": environment, "release": str(release), "release_id": "r", **more}
    return codec.convert(plain | {"type": "deployment.started"}, e.DeploymentStarted)


def succeeded(token: int, environment: str = "dev") -> e.DeploymentSucceeded:
    return e.DeploymentSucceeded(environment=environment, token=token, proven={"t": {"web": C}})


def failed(token: int, *, changed: bool = True) -> e.DeploymentFailed:
    return e.DeploymentFailed(environment="dev", token=token, reasons=WHY, changed=changed)


def created(number: int) -> e.ReleaseCreated:
    digest = Digest.of(str(number).encode())
    return e.ReleaseCreated(
        release=ReleaseSummary(f"r{number}", digest, START, "anna", Source(), {"web": C})
    )


environments = st.sampled_from(["dev", "qa"])
releases = st.sampled_from([A, B, C])
tokens = st.integers(min_value=1, max_value=6)  # few, so that they are often right
reasons = st.just(WHY)
events = st.one_of(
    st.builds(started, environments, releases, kind=st.sampled_from(list(e.Kind)), resumes=tokens),
    st.builds(
        e.StageFinished, environment=environments, token=tokens, stage=st.sampled_from(list(Stage))
    ),
    st.builds(e.RollbackStarted, environment=environments, token=tokens, reasons=reasons),
    st.builds(succeeded, tokens, environments),
    st.builds(
        e.DeploymentFailed,
        environment=environments,
        token=tokens,
        reasons=reasons,
        changed=st.booleans(),
    ),
    st.builds(
        e.DeploymentRolledBack, environment=environments, token=tokens, reasons=reasons, to=releases
    ),
    st.builds(
        e.DeploymentSuperseded, environment=environments, token=tokens, by=st.just("another")
    ),
    st.builds(e.DeploymentInterrupted, environment=environments, token=tokens, why=st.just("gone")),
    st.builds(e.HoldSet, environment=environments, reason=st.just("a reason")),
    st.builds(e.HoldLifted, environment=environments),
    st.builds(e.ReleaseApproved, environment=environments, release=releases),
    st.builds(e.ReleaseRejected, environment=environments, release=releases),
    st.builds(e.HealthChecked, environment=environments, healthy=st.booleans()),
    st.builds(e.EnvironmentRemoved, environment=environments),
    st.builds(e.StackProvisioned, stack=environments, outputs=st.just({"cluster": "one"})),
    st.builds(e.StackDestroyed, stack=environments),
    st.builds(created, st.integers(min_value=0, max_value=5)),
)
logs = st.lists(
    st.tuples(st.lists(events, max_size=3).map(tuple), st.sampled_from([ANNA, BEN])), max_size=30
).map(lambda parts: [commit(n, *happened, by=by) for n, (happened, by) in enumerate(parts, 1)])


@given(logs)
def test_every_commit_counts_and_the_state_before_it_is_untouched(log: list[e.Commit]) -> None:
    state = State()
    for entry in log:
        before = codec.canonical(state)
        after = fold(state, entry)
        assert codec.canonical(state) == before
        assert after.number == entry.number
        state = after


@given(logs, st.data())
def test_a_checkpoint_anywhere_changes_nothing(log: list[e.Commit], data: st.DataObject) -> None:
    """The state written as JSON and read again, and the commits too."""
    cut = data.draw(st.integers(min_value=0, max_value=len(log)))
    straight = resumed = State()
    for entry in log:
        straight = fold(straight, entry)
    for entry in log[:cut]:
        resumed = fold(resumed, entry)
    resumed = codec.decode(codec.encode(resumed), State)
    for entry in log[cut:]:
        resumed = fold(resumed, codec.decode(codec.encode(entry), e.Commit))

    assert resumed == straight
    assert codec.canonical(resumed) == codec.canonical(straight)


@given(logs, events)
def test_what_is_refused_changes_nothing(log: list[e.Commit], event: e.Event) -> None:
    state = State()
    for entry in log:
        state = fold(state, entry)
    after = fold(state, commit(state.number + 1, event))

    if refusal(state, event):
        assert after == codec.convert(codec.plain(state) | {"number": state.number + 1}, State)


@given(logs)
@settings(max_examples=200)
def test_one_lease_an_environment_and_only_its_token_counts(log: list[e.Commit]) -> None:
    """Against a model of a few lines: who holds what, by hand."""
    holder: dict[str, int] = {}
    begun = ended = 0
    state = State()
    for entry in log:
        for event in entry.events:
            token = getattr(event, "token", 0)
            if isinstance(event, e.DeploymentStarted):
                if event.environment not in holder:
                    holder[event.environment] = entry.number
                    begun += 1
            elif token and holder.get(event.environment) == token:  # type: ignore[union-attr]
                goes_on = isinstance(event, e.StageFinished | e.RollbackStarted)
                ended += not goes_on
                if not goes_on:
                    del holder[event.environment]  # type: ignore[union-attr]
        state = fold(state, entry)
        active = {name: env.active for name, env in state.environments.items() if env.active}
        assert {name: lease.token for name, lease in active.items()} == holder
    assert state.deployments == begun
    assert sum(len(env.recent) for env in state.environments.values()) == ended


@given(logs)
def test_the_newest_deployment_comes_first_and_tokens_are_commits(log: list[e.Commit]) -> None:
    state = State()
    for entry in log:
        state = fold(state, entry)
    for env in state.environments.values():
        ended = [record.ended_at for record in env.recent]
        assert ended == sorted(ended, reverse=True)
        for record in env.recent:
            assert record.started_at == log[record.token - 1].at
            assert record.by == log[record.token - 1].by
        if env.current:
            assert str(env.current.release) in env.proven
        assert not (env.active and env.interrupted)


@pytest.mark.parametrize("number", [0, 2, 99])
def test_commits_follow_each_other(number: int) -> None:
    with pytest.raises(ValueError, match=f"commit {number} does not follow 0"):
        fold(State(), commit(number))


def test_the_state_stays_bounded() -> None:
    state, number = State(), 0
    for turn in range(KEPT_RELEASES + 60):
        release = created(turn).release.digest
        for happened in (
            (created(turn), started(release=release)),
            (succeeded(number + 1), e.ReleaseApproved(environment="dev", release=release)),
        ):
            number += 1
            state = fold(state, commit(number, *happened))
    env = state.environment("dev")

    assert len(state.releases) == KEPT_RELEASES
    assert len(env.recent) == KEPT_DEPLOYMENTS
    assert len(env.proven) == len(env.decisions) == KEPT_PROVEN
    assert state.deployments == KEPT_RELEASES + 60
    assert len(codec.encode(state)) < 200_000


def test_a_release_that_runs_is_never_forgotten() -> None:
    """Nor the one before it, nor one on its way; though 300 newer ones were never deployed."""
    first, second, third = (created(n).release.digest for n in (1, 2, 3))
    state = folded(
        [created(1), created(2), created(3), started(release=first)],
        [succeeded(1), started(release=second)],
        [succeeded(2), started(release=third)],
    )
    for number in range(4, 304):
        state = fold(state, commit(state.number + 1, created(number)))

    assert [state.release(d) is not None for d in (first, second, third)] == [True] * 3
    assert len(state.releases) == KEPT_RELEASES + 3


def test_a_success_is_what_runs_and_what_ran_before_is_kept() -> None:
    state = folded(started(release=A), succeeded(1), started(release=B), succeeded(3))
    env = state.environment("dev")

    assert env.current is not None
    assert env.previous is not None
    assert (env.current.release, env.previous.release) == (B, A)
    assert env.current.services == {"web": C}
    assert env.current.healthy
    assert [r.outcome for r in env.recent] == ["succeeded", "succeeded"]


def test_the_same_release_again_does_not_begin_anew() -> None:
    """The soak goes on, and what ran before stays what ran before."""
    state = folded(
        started(release=A), succeeded(1), started(release=B), succeeded(3), started(release=B),
        succeeded(5),
    )  # fmt: skip
    env = state.environment("dev")

    assert env.current is not None
    assert env.previous is not None
    assert env.previous.release == A
    assert env.current.at == env.proven[str(B)] == START + timedelta(minutes=4)
    assert env.current.token == 5


def test_a_failure_marks_what_runs_only_when_something_changed() -> None:
    before = (started(release=A), succeeded(1), started(release=B))
    for changed in (True, False):
        env = folded(*before, failed(3, changed=changed)).environment("dev")
        assert env.current is not None
        assert env.current.release == A
        assert env.current.healthy is not changed
        assert env.recent[0].reasons == WHY
        assert str(B) not in env.proven


def test_an_interrupted_deployment_is_taken_up_with_what_it_had_finished() -> None:
    copied = e.StageFinished(environment="dev", token=1, stage=Stage.COPY)
    gone = e.DeploymentInterrupted(environment="dev", token=1, why="no sign of life")
    interrupted = folded(started(), copied, gone).environment("dev")
    assert interrupted.active is None
    assert interrupted.interrupted is not None
    assert interrupted.interrupted.finished == (copied,)

    resumed = folded(started(), copied, gone, started(resumes=1)).environment("dev")
    assert resumed.active is not None
    assert resumed.active.finished == (copied,)
    assert resumed.interrupted is None

    anew = folded(started(), copied, gone, started(release=B)).environment("dev")
    assert anew.active is not None
    assert anew.active.finished == ()


def test_one_word_a_person_and_release_the_newest() -> None:
    said = e.ReleaseApproved(environment="dev", release=A, comment="fine")
    taken_back = e.ReleaseRejected(environment="dev", release=A, comment="not so")
    state = folded(said, e.ReleaseApproved(environment="dev", release=B), taken_back)

    decisions = state.environment("dev").decisions
    assert [(d.release, d.approved, d.comment) for d in decisions] == [
        (A, False, "not so"),
        (B, True, ""),
    ]
    by_ben = fold(state, commit(4, said, by=BEN))
    assert len(by_ben.environment("dev").decisions) == 3


def test_holds_checks_and_removal() -> None:
    state = folded(
        started(), succeeded(1), e.HoldSet(environment="dev", reason="an incident"),
        e.HealthChecked(environment="dev", healthy=False, note="web is down"),
    )  # fmt: skip
    env = state.environment("dev")
    assert env.hold is not None
    assert (env.hold.reason, env.hold.by) == ("an incident", ANNA)
    assert env.current is not None
    assert (env.current.healthy, env.current.note) == (False, "web is down")

    after = fold(
        state,
        commit(5, e.HoldLifted(environment="dev"), e.EnvironmentRemoved(environment="dev")),
    ).environment("dev")
    assert (after.hold, after.current) == (None, None)
    assert after.previous is not None
    assert after.previous.release == A


def test_a_check_where_nothing_runs_says_nothing() -> None:
    checked = e.HealthChecked(environment="dev", healthy=True)
    assert folded(checked).environment("dev").current is None


def test_what_runs_after_another_went_past_is_not_called_healthy() -> None:
    another = e.DeploymentSuperseded(environment="dev", token=3, by="svc/42")
    env = folded(started(), succeeded(1), started(release=B), another).environment("dev")
    assert env.current is not None
    assert (env.current.release, env.current.healthy) == (A, False)
    assert env.current.note == "superseded by svc/42: what runs here is not known"


def test_the_accounts_stack_is_not_an_environments_of_the_same_name() -> None:
    mine = e.StackProvisioned(stack="account", environment="account", outputs={"cluster": "shop"})
    infra = e.StackProvisioned(stack="account", project="infra", outputs={"key": "k1"})
    state = folded(mine, infra)
    assert state.stacks["account"].outputs == {"cluster": "shop"}
    gone = folded(mine, infra, e.StackDestroyed(stack="account", environment="account"))
    assert [stack.outputs for stack in gone.stacks.values()] == [{"key": "k1"}]
