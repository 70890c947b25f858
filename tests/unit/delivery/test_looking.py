"""What is asked and not done: explain, diff, history, what runs; and what people say."""

import subprocess
from pathlib import Path

import pytest

from shipit.delivery import people
from shipit.delivery.deploy import deploy
from shipit.delivery.diff import diff
from shipit.delivery.explain import explain
from shipit.delivery.history import all_records, recent_records
from shipit.delivery.live import observe_all
from shipit.delivery.request import Request
from shipit.errors import HeldError, PreconditionError, RemoteError, UnknownNameError, UsageError
from shipit.model.deployment import Health, ObservedService
from shipit.model.pipeline import Gates
from shipit.policy.verdict import Held
from tests.fakes.project import FakeProject, environment, fails, run


def test_explain_asks_every_gate(project: FakeProject) -> None:
    project.release("a")
    said = explain(project, "a", "qa")
    assert (said.release_id, said.environment, said.allowed) == ("a", "qa", False)
    answers = {v.gate: isinstance(v, Held) for v in said.verdicts}
    assert answers == {
        "verified upstream": True,
        "hold": False,
        "order": False,
        "approvals": False,
        "soak": False,
        "freeze": False,
    }
    assert project.target("qa").calls == []


def test_explain_without_a_release_is_about_the_default(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    said = explain(project, "", "qa")
    assert (said.release_id, said.allowed) == ("a", True)


def test_freeze_holds_one_or_all(project: FakeProject) -> None:
    project.release("a")
    assert people.freeze(project, "dev", "the sale") == ("dev",)
    _, error = fails(deploy(project, Request("dev")), HeldError)
    assert "dev is held by ada since" in error.what
    assert error.what.endswith(": the sale")
    assert error.next_step == "lift it with `shipit unfreeze dev`"
    assert people.freeze(project, "", "the sale") == ("dev", "qa")
    assert people.unfreeze(project, "", "it is over") == ("dev", "qa")
    assert people.unfreeze(project, "", "again") == ()
    assert run(deploy(project, Request("dev"))).release_id == "a"


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_hold_needs_a_reason(project: FakeProject, reason: str) -> None:
    with pytest.raises(UsageError, match="needs a reason"):
        people.freeze(project, "dev", reason)
    assert project.state().hold is None


def test_what_runs_may_be_deployed_again_under_a_hold(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    people.freeze(project, "dev", "the sale")
    assert not run(deploy(project, Request("dev"))).changed


def test_fm31_approvals_open_for_the_release_they_name(
    project: FakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = project.again(environment("dev", gates=Gates(approvals=2)))
    strict.release("a")
    assert people.approve(strict, "a", "dev", "").id == "a"
    fails(deploy(strict, Request("dev")), HeldError)
    monkeypatch.setenv("SHIPIT_ACTOR", "bea")
    people.approve(strict.again(), "a", "dev", "looks good")
    strict.release("b")
    fails(deploy(strict, Request("dev", release="b")), HeldError)
    assert run(deploy(strict, Request("dev", release="a"))).release_id == "a"


def test_a_rejection_holds_with_its_words(project: FakeProject) -> None:
    project.release("a")
    people.reject(project, "a", "dev", "the totals are wrong")
    _, error = fails(deploy(project, Request("dev")), HeldError)
    assert error.what == "a may not enter dev: ada rejected a: the totals are wrong"


def test_people_name_what_there_is(project: FakeProject) -> None:
    project.release("abcd")
    with pytest.raises(UnknownNameError):
        people.approve(project, "zzzz", "dev", "")
    with pytest.raises(UnknownNameError):
        people.approve(project, "abcd", "produktion", "")
    with pytest.raises(UnknownNameError):
        people.freeze(project, "produktion", "the sale")


def test_diff_of_two_releases(project: FakeProject) -> None:
    a = project.release("a", services=("web", "cache"), settings={"LEVEL": "info"})
    b = project.release("b", services=("web", "queue"), settings={"LEVEL": "debug"})
    found = diff(project, "a", "b")
    assert (found.a.release_id, found.b.release_id, found.same) == ("a", "b", False)
    assert [(s.service, s.a, s.b) for s in found.services] == [
        ("cache", a.images["cache"], None),
        ("queue", None, b.images["queue"]),
        ("web", a.images["web"], b.images["web"]),
    ]
    lines = found.configuration
    assert "--- a in dev" in lines
    assert "+++ b in qa" in lines
    assert any(line.startswith("-") and '"LEVEL": "info"' in line for line in lines)
    assert any(line.startswith("+") and '"LEVEL": "debug"' in line for line in lines)
    assert not any("@sha256:" in line for line in lines)


def test_diff_of_environments_is_of_what_runs(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    run(deploy(project, Request("qa")))
    same = diff(project, "dev", "qa")
    assert (same.a.environment, same.a.release_id, same.b.environment) == ("dev", "a", "qa")
    assert same.same
    project.release("b", settings={"LEVEL": "debug"})
    run(deploy(project, Request("dev")))
    other = diff(project, "qa", "dev")
    assert (other.a.release_id, other.b.release_id, other.same) == ("a", "b", False)
    assert "--- a in qa" in other.configuration


def test_diff_with_an_environment_where_nothing_runs(project: FakeProject) -> None:
    with pytest.raises(UsageError, match="nothing runs in qa yet"):
        diff(project, "dev" if project.state().current else "qa", "qa")


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    argv = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def test_diff_has_the_commits_in_between(project: FakeProject) -> None:
    git(project.root, "init", "-q")
    commits = []
    for subject in ("one", "two", "three"):
        git(project.root, "commit", "-q", "--allow-empty", "-m", subject)
        commits.append(git(project.root, "rev-parse", "HEAD"))
    project.release("a", commit=commits[0])
    project.release("b", commit=commits[2])
    assert [line.split(" ", 1)[1] for line in diff(project, "a", "b").commits] == ["three", "two"]
    project.release("c", commit="c" * 40)
    assert diff(project, "a", "c").commits == ()


def test_history_is_the_newest_first(project: FakeProject) -> None:
    for name in ("a", "b"):
        project.release(name)
        run(deploy(project, Request("dev")))
    run(deploy(project, Request("qa")))
    seen = [(r.environment, r.release_id) for r in recent_records(project)]
    assert seen == [("qa", "b"), ("dev", "b"), ("dev", "a")]
    assert [r.release_id for r in recent_records(project, "dev")] == ["b", "a"]
    assert all_records(project) == recent_records(project)
    assert all_records(project, "qa") == recent_records(project, "qa")


def test_the_whole_history_has_what_the_state_dropped(project: FakeProject) -> None:
    project.release("a")
    tokens = [run(deploy(project, Request("dev"))).token for _ in range(53)]
    assert [r.token for r in recent_records(project)] == tokens[:2:-1]
    assert [r.token for r in all_records(project)] == tokens[::-1]


def test_what_runs_this_instant(project: FakeProject) -> None:
    project.release("a")
    run(deploy(project, Request("dev")))
    project.target("qa").errors["observe"] = RemoteError("the engine does not answer")
    seen = observe_all(project)
    assert seen["dev"].services["web"].health is Health.HEALTHY
    assert (seen["qa"].services, seen["qa"].warnings) == ({}, ("the engine does not answer",))
    project.target("qa").errors["observe"] = PreconditionError("no engine answers")
    assert observe_all(project)["qa"].warnings == ("no engine answers",)


def test_of_several_places_the_one_that_is_not_well_is_shown(tmp_path: Path) -> None:
    two = FakeProject(tmp_path, environment("dev", targets=("eu", "us")))
    two.release("a")
    run(deploy(two, Request("dev")))
    sick = ObservedService("web", 1, 1, Health.UNHEALTHY)
    two.target("dev", "us").running["web"] = sick
    assert observe_all(two)["dev"].services["web"] == sick
