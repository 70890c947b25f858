"""The reusable workflow and the action beside it. actionlint itself runs in `make check`."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROMOTE: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/promote.yml").read_text())
ACTION: dict[str, Any] = yaml.safe_load(
    (ROOT / ".github/actions/setup-shipit/action.yml").read_text()
)
DEPLOYING = ("first", "then", "last")


def steps(job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = PROMOTE["jobs"][job]["steps"]
    return found


@pytest.mark.parametrize("job", DEPLOYING)
def test_a_rollout_queues_and_is_never_cancelled(job: str) -> None:
    concurrency = PROMOTE["jobs"][job]["concurrency"]
    assert concurrency["cancel-in-progress"] is False
    assert f"inputs.{job}" in concurrency["group"]
    assert f"inputs.{job}" in PROMOTE["jobs"][job]["environment"]


@pytest.mark.parametrize("job", DEPLOYING)
def test_what_an_earlier_run_left_is_taken_up_first(job: str) -> None:
    commands = [step["run"] for step in steps(job) if "run" in step]
    assert commands[0].startswith("shipit resume")
    assert "shipit p" in commands[1]
    assert "= 3 ]" in commands[1]


def test_each_environment_comes_after_the_one_before() -> None:
    assert [PROMOTE["jobs"][job].get("needs") for job in DEPLOYING] == [None, "first", "then"]


def test_no_key_is_stored() -> None:
    text = (ROOT / ".github/workflows/promote.yml").read_text()
    assert "secrets." not in text
    for job in PROMOTE["jobs"].values():
        assert job["permissions"]["id-token"] == "write"
    (aws,) = (s for s in ACTION["runs"]["steps"] if "aws-actions" in s.get("uses", ""))
    assert set(aws["with"]) == {"role-to-assume", "aws-region", "role-session-name"}


def test_what_comes_from_outside_is_no_part_of_a_script() -> None:
    """GitHub, "Security hardening": an expression in `run:` is the way in for an injection."""
    for job in PROMOTE["jobs"]:
        assert [s["run"] for s in steps(job) if "${{" in s.get("run", "")] == []
    assert [s["run"] for s in ACTION["runs"]["steps"] if "${{" in s.get("run", "")] == []
