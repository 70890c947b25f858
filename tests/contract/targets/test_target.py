"""What every target keeps, whatever it runs on."""

import re
from typing import Protocol

import pytest

from shipit.errors import PreconditionError
from shipit.model.deployment import Action, Desired, Health
from shipit.model.progress import Failed, Outcome, Progress, Succeeded
from shipit.targets import interface
from tests.fakes.engine import deploy
from tests.fakes.target import FakeTarget


class Bench(Protocol):
    def target(self) -> FakeTarget: ...
    def desired(self, *names: str, version: str = "1", broken: str = "") -> Desired: ...


def run_task(bench: Bench, desired: Desired, name: str, key: str) -> Outcome:
    *said, outcome = bench.target().run_task(desired, name, key)
    assert all(isinstance(item, Progress) for item in said)
    assert not isinstance(outcome, Progress)
    return outcome


def test_it_can_do_all_that_the_verbs_ask_for(bench: Bench) -> None:
    for capability in (
        interface.Preflights,
        interface.RunsTasks,
        interface.RunsCommands,
        interface.Logs,
        interface.Exec,
        interface.Lists,
        interface.Scales,
        interface.Removes,
    ):
        assert isinstance(bench.target(), capability)


def test_nothing_runs_at_first(bench: Bench) -> None:
    observed = bench.target().observe()
    assert observed.services == {}
    assert observed.fingerprint == bench.target().observe().fingerprint
    assert bench.target().containers() == []


def test_planning_changes_nothing_and_is_repeatable(bench: Bench) -> None:
    target, desired = bench.target(), bench.desired("web")
    observed = target.observe()
    plan = target.plan(desired, observed)
    assert plan == target.plan(desired, observed)
    assert [(c.service, c.action) for c in plan.changes] == [("web", Action.CREATE)]
    assert plan.changed
    assert target.observe() == observed


def test_a_rollout_ends_in_the_proof_of_what_was_asked_for(bench: Bench) -> None:
    desired = bench.desired("web", "worker")
    _, progress, outcome = deploy(bench.target(), desired)
    assert outcome == Succeeded({n: desired.images[n].digest for n in ("web", "worker")})
    assert {p.subject for p in progress} == {"web", "worker"}
    found = bench.target().observe().services
    assert {n: (s.running, s.health) for n, s in found.items()} == {
        "web": (1, Health.HEALTHY),
        "worker": (1, Health.HEALTHY),
    }
    assert all(desired.images[n].identities() & set(s.images) for n, s in found.items())


def test_the_same_again_is_no_change_and_still_proven(bench: Bench) -> None:
    deploy(bench.target(), bench.desired("web"))
    before = bench.target().observe()
    plan, _, outcome = deploy(bench.target(), bench.desired("web"))
    assert not plan.changed
    assert isinstance(outcome, Succeeded)
    assert bench.target().observe().fingerprint == before.fingerprint


def test_forward_and_back(bench: Bench) -> None:
    one, two = bench.desired("web"), bench.desired("web", version="2")
    deploy(bench.target(), one)
    for wanted in (two, one):
        plan, _, outcome = deploy(bench.target(), wanted)
        assert [c.action for c in plan.changes] == [Action.UPDATE]
        assert outcome == Succeeded({"web": wanted.images["web"].digest})


def test_a_service_that_is_gone_from_the_release_is_removed(bench: Bench) -> None:
    deploy(bench.target(), bench.desired("web", "worker"))
    plan, _, _ = deploy(bench.target(), bench.desired("web"))
    assert ("worker", Action.REMOVE) in [(c.service, c.action) for c in plan.changes]
    assert set(bench.target().observe().services) == {"web"}


def test_a_failure_names_the_service_and_the_way_back_works(bench: Bench) -> None:
    good = bench.desired("web", "worker")
    deploy(bench.target(), good)
    _, _, outcome = deploy(
        bench.target(), bench.desired("web", "worker", version="2", broken="worker")
    )
    assert isinstance(outcome, Failed)
    (reason,) = outcome.reasons
    assert reason.subject == "worker"
    assert re.search(r"\bcode 1\b", reason.what)
    _, _, outcome = deploy(bench.target(), good)
    assert isinstance(outcome, Succeeded)


def test_a_plan_holds_only_for_what_was_observed(bench: Bench) -> None:
    target = bench.target()
    plan = target.plan(bench.desired("web"), target.observe())
    deploy(bench.target(), bench.desired("web", version="2"))
    with pytest.raises(PreconditionError):
        target.apply(plan)
    assert bench.target().observe().services["web"].running == 1


def test_tasks_run_before_anything_changes(bench: Bench) -> None:
    desired = bench.desired("web", "task-good")
    assert run_task(bench, desired, "task-good", "k1") == Succeeded(
        {"task-good": desired.images["task-good"].digest}
    )
    assert bench.target().observe().services == {}
    broken = bench.desired("web", "task-bad", broken="task-bad")
    outcome = run_task(bench, broken, "task-bad", "k1")
    assert isinstance(outcome, Failed)
    assert [(r.subject, r.what) for r in outcome.reasons] == [
        ("task-bad", "ended with exit code 1")
    ]
    assert bench.target().observe().services == {}


def test_stop_start_and_remove(bench: Bench) -> None:
    deploy(bench.target(), bench.desired("web", "worker"))
    bench.target().stop(["web"])
    found = bench.target().observe().services
    assert (found["web"].running, found["web"].health) == (0, Health.STOPPED)
    assert found["worker"].running == 1
    bench.target().start(["web"])
    assert bench.target().observe().services["web"].running == 1
    rows = bench.target().containers()
    assert {row["service"] for row in rows} == {"web", "worker"}
    assert set(rows[0]) == {
        *("name", "service", "image", "digest", "state", "health", "ports", "since")
    }
    assert bench.target().remove(volumes=False)
    assert bench.target().observe().services == {}
    assert bench.target().remove(volumes=True) in ([], ())
