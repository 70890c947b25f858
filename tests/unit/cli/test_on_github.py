"""What a command leaves on GitHub's page of the run: the matrix, what ended it, annotations."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from shipit.cli.app import run
from shipit.delivery.project import Project
from shipit.model.progress import Reason
from tests.fakes.command import commit_all
from tests.fakes.project import FakeProject, environment

EXITED = (Reason("web", "exited (1)"),)


@pytest.fixture
def page(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The job's summary."""
    file = tmp_path_factory.mktemp("job") / "summary.md"
    file.touch()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    return file


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProject:
    """Its release `a` is that of the commit that is checked out."""
    commit = commit_all(_written(tmp_path))
    made = FakeProject(tmp_path, environment("dev"), environment("qa", after="dev"))
    made.release("a", commit=commit)
    monkeypatch.setattr(Project, "open", lambda _=None: made)
    return made


def _written(folder: Path) -> Path:
    (folder / "shipit.yaml").write_text("app: shop\n")
    return folder


def releases(page: Path) -> list[str]:
    """The matrix's line of releases, each time that it is there."""
    return [line for line in page.read_text().splitlines() if line.startswith("| release |")]


def test_a_deployment_s_matrix_is_the_summary(page: Path, project: FakeProject) -> None:
    assert run(["deploy", "--env", "dev"]) == 0
    assert releases(page) == ["| release | `a` | - |"]


def test_a_gate_that_holds_is_a_notice_beside_the_matrix(
    page: Path, project: FakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["promote", "qa", "--release", "a"]) == 3
    assert releases(page) == ["| release | - | - |"]
    what, how = "a may not enter qa: a has not succeeded in dev", "run `shipit deploy --env dev"
    assert f"⏸ **{what}**" in page.read_text()
    assert how in page.read_text()
    said = capsys.readouterr().err
    assert f"::notice title=shipit::{what}%0A{how}" in said
    assert "::error" not in said


def test_a_release_that_was_rolled_back(
    page: Path, project: FakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["deploy", "--env", "dev"])
    bad = project.release("b")
    project.target().failures[str(bad.digest)] = EXITED
    assert run(["deploy", "--env", "dev", "--release", "b"]) == 4
    assert releases(page) == ["| release | `a` | - |"] * 2
    assert "| ✅ healthy, held |" in page.read_text()
    assert "❌ **b failed in dev, which is back on a" in page.read_text()
    said = capsys.readouterr().err
    assert "::error title=shipit dev%3A web::exited (1)\n" in said
    assert said.count("::error title=shipit::b failed in dev, which is back on a") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["deploy", "--env", "dev"],
        ["promote", "dev"],
        ["pipeline", "--to", "dev"],
        ["pipeline", "--to", "dev", "--json"],
    ],
    ids=" ".join,
)
def test_a_failure_has_its_matrix_too(
    words: Sequence[str], page: Path, project: FakeProject
) -> None:
    project.target().failures[""] = EXITED
    assert run(words) == 1
    assert releases(page) == ["| release | - | - |"]
    assert "⚠️ not proven" in page.read_text()
    assert "❌ **a failed in dev" in page.read_text()


def test_a_rollback_and_a_resume_that_fail(page: Path, project: FakeProject) -> None:
    assert run(["rollback", "--env", "dev"]) == 2
    assert len(releases(page)) == 1
    project.target().errors["apply"] = RuntimeError("gone")
    assert run(["deploy", "--env", "dev"]) == 1
    project.target().failures[""] = EXITED
    assert run(["resume"]) == 1
    assert len(releases(page)) == 2
    assert page.read_text().count("❌") == 3


def test_a_resume_that_finds_nothing_adds_nothing(page: Path, project: FakeProject) -> None:
    assert run(["resume"]) == 0
    assert page.read_text() == ""


def test_beside_json_nothing_else_is_on_standard_output(
    page: Path, project: FakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["promote", "qa", "--release", "a", "--json"]) == 3
    said = capsys.readouterr()
    assert [json.loads(line)["event"] for line in said.out.splitlines()] == ["error"]
    assert "::notice title=shipit::a may not enter qa" in said.err


def test_a_summary_that_cannot_be_written_changes_no_end(
    page: Path,
    project: FakeProject,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page.parent))
    assert run(["deploy", "--env", "dev"]) == 0
    assert run(["promote", "qa", "--release", "nothing"]) == 2
    said = capsys.readouterr().err
    assert said.count("no matrix in the job's summary: ") == 2
    assert "there is no release 'nothing'" in said


def test_what_ends_any_other_command_is_told(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    (folder / "shipit.yaml").write_text("app: shop\nenvironments: {dev: {tarpit: {}}}\n")
    assert run(["status"]) == 2
    assert "::error title=shipit::shipit.yaml" in capsys.readouterr().err
    assert "❌ **shipit.yaml" in page.read_text()


def test_a_summary_is_markdown_that_nobody_breaks(page: Path, project: FakeProject) -> None:
    run(["promote", "qa", "--release", "<img src=x>\n|"])
    assert "<img" not in page.read_text()
    assert "&lt;img" in page.read_text()


def test_elsewhere_nothing_is_annotated(
    page: Path,
    project: FakeProject,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert run(["promote", "qa", "--release", "a"]) == 3
    assert "::" not in capsys.readouterr().err
