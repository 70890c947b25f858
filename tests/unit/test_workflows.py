"""The reusable workflow and the action beside it: what their files say.

How they run is in test_workflow_runs.py; actionlint itself runs in `make check`.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROMOTE: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/promote.yml").read_text())
ACTION: dict[str, Any] = yaml.safe_load(
    (ROOT / ".github/actions/setup-shipit/action.yml").read_text()
)
DEPLOYING = ("first", "second", "third", "fourth")
PAGE = (ROOT / "docs/how-to/ci.md").read_text(encoding="utf-8")
# The first of each that run on Node 24: GitHub's runners have had no Node 20 since September 2026.
ON_NODE_24 = {
    "actions/checkout": 5,
    "actions/setup-python": 6,
    "aws-actions/configure-aws-credentials": 6,
    "google-github-actions/auth": 3,
}
_USED = re.compile(r"uses: ([\w-]+/[\w-]+)@v(\d+)$", re.MULTILINE)
_NEEDED = re.compile(r"needs\.(\w+)\.outputs\.(\w+)")


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


def test_a_plan_is_no_deployment_on_github_s_pages() -> None:
    assert PROMOTE["jobs"]["plan"]["environment"]["deployment"] is False


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


def test_every_action_runs_on_a_node_that_is_there() -> None:
    files = [*(ROOT / ".github").rglob("*.yml"), *(ROOT / "docs").rglob("*.md")]
    used = {one for file in files for one in _USED.findall(file.read_text(encoding="utf-8"))}
    assert {name for name, _ in used} == set(ON_NODE_24)
    assert [name for name, version in used if int(version) < ON_NODE_24[name]] == []


def test_what_comes_from_outside_is_no_part_of_a_script() -> None:
    """GitHub, "Security hardening": an expression in `run:` is the way in for an injection."""
    for job in PROMOTE["jobs"]:
        assert [s["run"] for s in steps(job) if "${{" in s.get("run", "")] == []
    assert [s["run"] for s in ACTION["runs"]["steps"] if "${{" in s.get("run", "")] == []


def examples() -> list[Any]:
    """The YAML of the page on CI."""
    return [yaml.safe_load(block) for block in blocks()]


def test_what_the_page_on_ci_gives_to_the_workflow_is_what_it_takes() -> None:
    declared = PROMOTE[True]["workflow_call"]["inputs"]  # YAML 1.1 takes `on` for a boolean
    calls = [job for one in examples() for job in one.get("jobs", {}).values() if "uses" in job]
    (call,) = calls
    required = {name for name, one in declared.items() if one.get("required")}
    assert required <= set(call["with"]) <= set(declared)
    for job in PROMOTE["jobs"].values():
        assert set(job["permissions"]) <= set(call["permissions"])
    for name in {*declared} - {"source", "ref", "version"}:
        assert f"`{name}`" in PAGE or f"`{name}: " in PAGE, name


def test_what_the_page_s_jobs_need_is_there() -> None:
    for jobs in (one["jobs"] for one in examples() if "jobs" in one):
        for job in jobs.values():
            for needed, output in _NEEDED.findall(str(job)):
                assert job["needs"] == needed
                assert output in jobs[needed]["outputs"]


def test_every_system_on_the_page_takes_up_one_environment_s_deployment() -> None:
    """Without --env, `shipit resume` asks for rights in every one, and meets who works there."""
    assert re.findall(r"shipit resume(?! --env)(?=[ \n\"])", "".join(blocks())) == []


def blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


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
