"""The reusable workflow and the action beside it: what their files say.

How they run is in test_workflow_runs.py; actionlint itself runs in `make check`.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROMOTE: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/promote.yml").read_text())
ACTION: dict[str, Any] = yaml.safe_load(
    (ROOT / ".github/actions/setup-shipit/action.yml").read_text()
)
DEPLOYING = ("first", "second", "third", "fourth")


def steps(job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = PROMOTE["jobs"][job]["steps"]
    return found


@pytest.mark.parametrize("job", DEPLOYING)
def test_a_rollout_queues_and_is_never_cancelled(job: str) -> None:
    """A group for each environment of each application: of two in one repository neither waits for
    the other. And what waits is not cancelled by what comes after it."""
    concurrency = PROMOTE["jobs"][job]["concurrency"]
    assert concurrency["cancel-in-progress"] is False
    assert concurrency["queue"] == "max"
    assert f"inputs.{job}" in concurrency["group"]
    assert "inputs.working-directory" in concurrency["group"]
    assert PROMOTE["jobs"][job]["environment"] == f"${{{{ inputs.{job} }}}}"


def test_no_two_jobs_share_a_group() -> None:
    groups = [PROMOTE["jobs"][job]["concurrency"]["group"] for job in ("plan", *DEPLOYING)]
    assert len(set(groups)) == len(groups)


def test_each_environment_comes_after_the_one_before() -> None:
    assert [PROMOTE["jobs"][job].get("needs") for job in DEPLOYING] == [None, *DEPLOYING[:-1]]


def test_no_key_is_stored() -> None:
    text = (ROOT / ".github/workflows/promote.yml").read_text()
    assert "secrets." not in text
    for job in ("plan", *DEPLOYING):
        assert PROMOTE["jobs"][job]["permissions"]["id-token"] == "write"
    assert PROMOTE["jobs"]["fork"]["permissions"] == {}
    (aws,) = (s for s in ACTION["runs"]["steps"] if "aws-actions" in s.get("uses", ""))
    assert set(aws["with"]) == {"role-to-assume", "aws-region", "role-session-name"}


def test_what_comes_from_outside_is_no_part_of_a_script() -> None:
    """GitHub, "Security hardening": an expression in `run:` is the way in for an injection."""
    for job in PROMOTE["jobs"]:
        assert [s["run"] for s in steps(job) if "${{" in s.get("run", "")] == []
    assert [s["run"] for s in ACTION["runs"]["steps"] if "${{" in s.get("run", "")] == []


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_workflows_that_are_not_checked_are_a_failure_on_a_build_server(
    ci: str, code: int, tmp_path: Path
) -> None:
    """Where no Go is there to build actionlint with."""
    env = {
        **os.environ,
        "CI": ci,
        "XDG_CACHE_HOME": str(tmp_path),
        "PATH": str(_without_go(tmp_path)),
    }
    script = (ROOT / "scripts/actionlint").read_text().replace("/usr/local/go/bin", "/nowhere")
    copy = tmp_path / "scripts" / "actionlint"
    copy.parent.mkdir()
    copy.write_text(script)
    (copy.parent / "lines.sh").write_text((ROOT / "scripts/lines.sh").read_text())
    argv = ["bash", str(copy)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code, done.stderr
    assert "no Go to build actionlint with" in done.stderr


def _without_go(folder: Path) -> Path:
    path = folder / "programs"
    path.mkdir()
    for name in ("bash", "dirname", "mkdir"):
        (path / name).symlink_to(Path("/usr/bin") / name)
    return path
