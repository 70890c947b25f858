"""Build once, then as far as the gates let it; and which release a commit is."""

import subprocess
from pathlib import Path

import pytest

from shipit.delivery import people
from shipit.delivery.build import build, next_id
from shipit.delivery.pipeline import path_to, run_pipeline
from shipit.errors import DeploymentFailedError, HeldError, PreconditionError, UnknownNameError
from shipit.model.events import Kind
from shipit.model.pipeline import Gates
from shipit.model.progress import Mark, Reason, Stage
from shipit.model.release import Source
from shipit.model.state import State
from tests.fakes.project import HOME, FakeProject, environment, fails, run, told
from tests.fakes.story import Story


@pytest.fixture
def line(tmp_path: Path) -> FakeProject:
    """dev, qa and production, in a repository whose commit has release a."""
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    git = ("git", "-C", str(tmp_path), *identity)
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    project = FakeProject(
        tmp_path,
        environment("dev"),
        environment("qa", after="dev"),
        environment("production", after="qa", gates=Gates(approvals=1)),
    )
    project.release("a", commit=head)
    return project


def test_until_a_gate_holds(line: FakeProject) -> None:
    said, error = fails(run_pipeline(line), HeldError)
    assert error.exit_code == 3
    assert error.what == "a may not enter production: a has 0 of 1 approvals"
    assert [p.environment for p in said if p.stage is Stage.RECORD] == ["dev", "qa"]
    assert line.state("qa").current is not None
    assert line.state("production").recent == ()


def test_to_the_end_once_it_is_open(line: FakeProject) -> None:
    fails(run_pipeline(line), HeldError)
    people.approve(line, "a", "production", "")
    said, result = told(run_pipeline(line))
    assert (result.release_id, result.reused) == ("a", True)
    done = [(d.environment, d.kind, d.changed) for d in result.deployments]
    assert done == [
        ("dev", Kind.DEPLOY, False),
        ("qa", Kind.PROMOTE, False),
        ("production", Kind.PROMOTE, True),
    ]
    assert len({str(d.proven) for d in result.deployments}) == 1
    assert said[0].mark is Mark.SKIPPED
    assert said[0].message.endswith("has release a already; nothing is built")


def test_as_far_as_it_is_told_to(line: FakeProject) -> None:
    result = run(run_pipeline(line, to="qa"))
    assert [d.environment for d in result.deployments] == ["dev", "qa"]
    assert [e.name for e in path_to(line, "dev")] == ["dev"]
    assert [e.name for e in path_to(line, "")] == ["dev", "qa", "production"]
    fails(run_pipeline(line, to="produktion"), UnknownNameError)


def test_a_failure_ends_it(line: FakeProject) -> None:
    line.target("dev").failures[""] = (Reason("web", "is sick"),)
    fails(run_pipeline(line), DeploymentFailedError)
    assert line.state("qa").recent == ()
    assert line.target("qa").calls == []


def test_fm22_a_commit_that_has_a_release_is_not_built_again(line: FakeProject) -> None:
    number = line.ledger.read().number
    said, result = told(build(line))
    assert (result.release.id, result.reused) == ("a", True)
    assert [p.mark for p in said] == [Mark.SKIPPED]
    assert line.ledger.read().number == number


def test_fm22_a_release_whose_image_is_lost_is_not_reused(line: FakeProject) -> None:
    (digest,) = line.ledger.read().releases[0].images.values()
    line.repositories.missing[f"{HOME}/web@{digest}"] = ["the manifest is missing"]
    _, error = fails(build(line), PreconditionError)
    assert error.what == (
        "release a exists, but its image of web does not: the manifest is missing"
    )
    assert "shipit build --force" in error.next_step


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source(commit="1234567890"), "1234567"),
        (Source(commit="1234567890", dirty=True), "1234567-dirty"),
        (Source(commit="abcdefabcdef"), "abcdefa.3"),
    ],
)
def test_a_release_is_called_after_its_commit(source: Source, expected: str) -> None:
    story = Story()
    for taken in ("abcdefa", "abcdefa.2"):
        story.release(taken)
    assert next_id(story.state, source) == expected


def test_without_a_commit_the_time_is_the_name() -> None:
    date, _, time = next_id(State(), Source()).partition("-")
    assert (len(date), len(time)) == (8, 6)
    assert (date + time).isdigit()


def test_a_build_says_which_secrets_go_into_the_ledger(project: FakeProject) -> None:
    (project.root / "compose.yaml").write_text(
        "services: {web: {image: web, environment: {API_TOKEN: '12345', LEVEL: info}}}\n"
    )
    said = next(step for step in build(project) if step.mark is Mark.INFO)
    assert said.message.startswith("services.web.environment.API_TOKEN looks like a secret")
    assert "12345" not in said.message
