"""A release enters an environment: what is said, what is done, what is on record."""

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.errors import HeldError, PreconditionError, UnknownNameError, UsageError
from shipit.model.deployment import Desired, Observed, Plan
from shipit.model.events import Kind
from shipit.model.pipeline import Canary, Gates, Strategy
from shipit.model.progress import Mark, Progress, Stage
from shipit.model.release import ReleaseSummary
from tests.fakes.project import HOME, FakeProject, environment, fails, run, told


def stages(project: FakeProject, request: Request) -> list[tuple[Stage, Mark, str]]:
    said, _ = told(deploy(project, request))
    return [(p.stage, p.mark, p.subject) for p in said]


def test_through_the_stages_in_order(project: FakeProject) -> None:
    project.release("a", services=("web",), before=("migrate",), after=("warm",))
    assert stages(project, Request("dev")) == [
        (Stage.GATES, Mark.DONE, ""),
        (Stage.LEASE, Mark.DONE, ""),
        (Stage.BEFORE, Mark.RUNNING, "migrate"),
        (Stage.BEFORE, Mark.RUNNING, "migrate"),
        (Stage.BEFORE, Mark.DONE, "migrate"),
        (Stage.APPLY, Mark.RUNNING, ""),
        (Stage.APPLY, Mark.DONE, ""),
        (Stage.FOLLOW, Mark.DONE, "web"),
        (Stage.PROVE, Mark.DONE, ""),
        (Stage.AFTER, Mark.RUNNING, "warm"),
        (Stage.AFTER, Mark.RUNNING, "warm"),
        (Stage.AFTER, Mark.DONE, "warm"),
        (Stage.RECORD, Mark.DONE, ""),
    ]


def test_the_result_and_the_record(project: FakeProject) -> None:
    a = project.release("a", services=("web", "worker"))
    result = run(deploy(project, Request("dev")))
    proven = {"web": a.images["web"], "worker": a.images["worker"]}
    assert (result.environment, result.release, result.release_id) == ("dev", a.digest, "a")
    assert (result.kind, result.changed, result.proven) == (Kind.DEPLOY, True, {"default": proven})
    state = project.state()
    assert state.current is not None
    assert (state.current.release, state.current.token) == (a.digest, result.token)
    assert state.current.services == proven
    assert state.current.healthy
    assert (state.active, state.hold, state.interrupted) == (None, None, None)
    assert list(state.proven) == [str(a.digest)]
    (record,) = state.recent
    assert (record.outcome, record.by.name, record.token) == ("succeeded", "ada", result.token)
    assert project.ledger.store.list("heartbeats") == []


def test_fm29_the_lease_is_held_until_after_the_last_task(project: FakeProject) -> None:
    """And given back with the record of how it ended, not before."""
    project.release("a", after=("warm",))
    held = {
        step.stage: project.state().active is not None
        for step in deploy(project, Request("dev"))
        if isinstance(step, Progress) and step.stage is not Stage.GATES
    }
    assert held == {stage: stage is not Stage.RECORD for stage in held}
    assert Stage.AFTER in held
    assert project.state().active is None


def test_the_target_is_asked_in_order(project: FakeProject) -> None:
    project.release("a", before=("migrate",))
    token = run(deploy(project, Request("dev"))).token
    assert project.target().calls == [
        ("observe", ""),
        ("plan", "a"),
        ("preflight", "a"),
        ("run_task", f"migrate {token}"),
        ("apply", "a"),
        ("follow", "a"),
    ]


def test_what_reaches_a_target_is_by_digest(
    project: FakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = project.release("a", before=("migrate",))
    seen: dict[str, str] = {}
    plan = project.target().plan

    def remembering(desired: Desired, observed: Observed) -> Plan:
        seen.update({n: s["image"] for n, s in desired.project["services"].items()})
        return plan(desired, observed)

    monkeypatch.setattr(project.target(), "plan", remembering)
    run(deploy(project, Request("dev")))
    assert seen == {name: f"{HOME}/{name}@{a.images[name]}" for name in ("web", "migrate")}


def test_again_keeps_everything_and_runs_no_task(project: FakeProject) -> None:
    project.release("a", before=("migrate",), after=("warm",))
    first = run(deploy(project, Request("dev")))
    at = project.state().current
    project.target().calls.clear()
    said, again = told(deploy(project, Request("dev")))
    assert not again.changed
    assert again.proven == first.proven
    assert [m for m, _ in project.target().calls if m == "run_task"] == []
    skipped = [(p.stage, p.message) for p in said if p.mark is Mark.SKIPPED]
    assert skipped == [
        (Stage.BEFORE, "ran when this release first came here"),
        (Stage.APPLY, "nothing to change"),
    ]
    now = project.state()
    assert at is not None
    assert now.current is not None
    assert (now.current.at, now.current.token) == (at.at, again.token)
    assert now.previous is None


def test_the_next_release_remembers_the_one_before(project: FakeProject) -> None:
    a = project.release("a")
    run(deploy(project, Request("dev")))
    b = project.release("b")
    run(deploy(project, Request("dev")))
    state = project.state()
    assert state.current is not None
    assert state.previous is not None
    assert (state.current.release, state.previous.release) == (b.digest, a.digest)


def test_without_a_release_there_is_nothing_to_deploy(project: FakeProject) -> None:
    _, error = fails(deploy(project, Request("dev")), UsageError)
    assert error.what == "there is no release yet"
    assert error.next_step == "run `shipit build` first"


def test_the_default_is_the_newest_first_and_then_what_runs_upstream(project: FakeProject) -> None:
    a = project.release("a")
    run(deploy(project, Request("dev", release="a")))
    project.release("b")
    assert run(deploy(project, Request("qa"))).release == a.digest
    assert run(deploy(project, Request("dev"))).release_id == "b"


def test_nothing_upstream_is_said(project: FakeProject) -> None:
    project.release("a")
    _, error = fails(deploy(project, Request("qa")), UsageError)
    assert error.what == "nothing runs in dev yet, which qa comes after"
    assert error.next_step == "run `shipit deploy --env dev` first"


def named(project: FakeProject) -> list[ReleaseSummary]:
    return [project.release(name, commit=name[0] * 40) for name in ("abcd1", "abcd2", "efgh")]


@pytest.mark.parametrize("ask", ["abcd2", "abcd", "sha256", "abc", "zzzz", "efg"])
def test_a_release_is_named_by_enough_of_it(project: FakeProject, ask: str) -> None:
    releases = named(project)
    request = Request("dev", release=ask)
    if ask == "abcd2":
        assert run(deploy(project, request)).release == releases[1].digest
        return
    _, error = fails(deploy(project, request), UnknownNameError)
    if ask == "abcd":
        assert error.what == "release 'abcd' is ambiguous: it may be abcd2, abcd1"
    else:
        near = {"abc": "; did you mean abcd2?", "efg": "; did you mean efgh?"}.get(ask, "")
        assert error.what == f"there is no release {ask!r}{near}"
    assert error.exit_code == 2
    assert project.target().calls == []


def test_a_digest_or_a_commit_names_a_release(project: FakeProject) -> None:
    release = named(project)[2]
    for ask in (str(release.digest), release.digest.hex[:8], "eeeeee", "efgh"):
        assert run(deploy(project, Request("dev", release=ask))).release == release.digest


def test_an_unknown_environment_has_a_neighbour(project: FakeProject) -> None:
    _, error = fails(deploy(project, Request("qaa")), UnknownNameError)
    assert error.what == "no environment is called 'qaa'; did you mean qa?"
    assert error.next_step == "there is: dev, qa"


def test_held_until_it_succeeded_upstream(project: FakeProject) -> None:
    a = project.release("a")
    request = Request("qa", release="a", kind=Kind.PROMOTE)
    number = project.ledger.read().number
    _, error = fails(deploy(project, request), HeldError)
    assert error.exit_code == 3
    assert error.what == "a may not enter qa: a has not succeeded in dev"
    assert error.next_step == "run `shipit deploy --env dev --release a` first"
    assert project.ledger.read().number == number
    assert project.target("qa").calls == []
    run(deploy(project, Request("dev")))
    assert run(deploy(project, request)).release == a.digest
    assert project.state("qa").recent[0].kind is Kind.PROMOTE


def test_every_gate_that_holds_is_named(project: FakeProject) -> None:
    gates = Gates(approvals=1, soak="1h")
    strict = FakeProject(project.root, environment("dev"), environment("qa", "dev", gates=gates))
    strict.release("a")
    _, error = fails(deploy(strict, Request("qa", release="a")), HeldError)
    assert error.why == "a has 0 of 1 approvals\na has run 0.0s of 1h in dev"
    assert error.next_step.endswith("; `shipit approve a --env qa`; wait")


def test_fm38_an_override_is_on_record(project: FakeProject) -> None:
    frozen = Gates(freeze=("Mon 00:00 - Mon 00:00",))
    shut = FakeProject(project.root, environment("dev", gates=frozen))
    shut.release("a")
    fails(deploy(shut, Request("dev")), HeldError)
    token = run(deploy(shut, Request("dev", override="the site is down"))).token
    (commit,) = shut.ledger.history(first=token, last=token)
    assert [getattr(e, "override", None) for e in commit.events] == ["the site is down"]


def test_images_are_copied_to_the_environments_own_registry(project: FakeProject) -> None:
    own = FakeProject(project.root, environment("dev", registry="registry.example/shop"))
    a = own.release("a", services=("cache", "web"), resolved=("cache",))
    said, _ = told(deploy(own, Request("dev")))
    copies = [(p.mark, p.subject) for p in said if p.stage is Stage.COPY]
    assert copies == [
        (Mark.RUNNING, "cache"),
        (Mark.DONE, "cache"),
        (Mark.RUNNING, "web"),
        (Mark.DONE, "web"),
    ]
    assert own.repositories.copied == [
        (f"{HOME}/{name}@{a.images[name]}", f"registry.example/shop/{name}")
        for name in ("cache", "web")
    ]


def test_a_release_from_before_the_environment_is_refused(project: FakeProject) -> None:
    project.release("a")
    later = project.again(environment("dev"), environment("eu"))
    _, error = fails(deploy(later, Request("eu", release="a")), PreconditionError)
    assert error.what == "release a was made before eu was in shipit.yaml"
    assert later.state("eu").active is None


def test_what_no_target_can_do_is_refused_before_the_lease(project: FakeProject) -> None:
    canary = environment("dev", strategy=Strategy(canary=Canary(steps=(10,))))
    wanting = FakeProject(project.root, canary)
    wanting.release("a")
    _, error = fails(deploy(wanting, Request("dev")), UsageError)
    assert "environments.dev.strategy.canary" in error.what
    assert project.state().recent == ()


def test_a_refusal_of_the_target_before_the_lease_leaves_no_record(project: FakeProject) -> None:
    project.release("a")
    project.target().errors["preflight"] = PreconditionError("port 8080 is taken by nginx")
    _, error = fails(deploy(project, Request("dev")), PreconditionError)
    assert error.what == "port 8080 is taken by nginx"
    assert project.state().recent == ()
