"""A stack that Pulumi itself brings up, by docs/how-to/provision.md, and what shipit finds then."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from shipit.config import file
from shipit.delivery.project import Project
from tests.fakes import pulumi_engine
from tests.fakes.command import Shipit
from tests.fakes.pulumi_engine.cloud import Cloud

pytestmark = [pytest.mark.pulumi, pytest.mark.slow]

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "provision.md"
ELSEWHERE = ("secrets:", "ledger:")  # in a cloud


@pytest.fixture
def fresh(tmp_path: Path) -> Shipit:
    """As `shipit init` leaves a folder, with its record and its secrets on this machine."""
    home = tmp_path / "shop"
    home.mkdir()
    (home / "compose.yaml").write_text("services: {web: {build: .}}\n")
    env = pulumi_engine.environment(tmp_path / "engine")
    shop = Shipit(home, {**env, "PULUMI_BACKEND_URL": None, "PULUMI_PYTHON_CMD": None})
    shop.ok("init", "--pipeline", "ecs-fargate", "--app", "shop")
    path = home / "shipit.yaml"
    kept = [
        line for line in path.read_text().splitlines() if not line.strip().startswith(ELSEWHERE)
    ]
    path.write_text("\n".join(kept) + "\n")
    return shop


class Terminal:
    """A shell in the folder, with shipit's environment activated."""

    def __init__(self, shop: Shipit) -> None:
        self.folder, self.env = shop.folder, dict(shop.environment())
        self.env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), self.env["PATH"]])

    def enter(self, line: str) -> str:
        words = shlex.split(line.replace("$PWD", str(self.folder)))
        match words:
            case ["export", setting]:
                name, _, value = setting.partition("=")
                self.env[name] = value
            case ["cd", where]:
                self.folder /= where
            case _:
                # Nobody is there to be asked.
                argv = [*words, "--yes"] if words[:2] == ["pulumi", "up"] else words
                return self._run(argv)
        return ""

    def _run(self, argv: list[str]) -> str:
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


def written() -> list[str]:
    """The lines that the page says to enter."""
    section = PAGE.read_text().partition("\n## By hand\n")[2].partition("\n## ")[0]
    block = section.partition("```console\n")[2].partition("```")[0]
    return [line.removeprefix("$ ") for line in block.splitlines()]


def test_what_is_brought_up_by_hand_is_what_shipit_finds(fresh: Shipit, tmp_path: Path) -> None:
    terminal = Terminal(fresh)
    said = [terminal.enter(line) for line in written()]
    cloud = Cloud(tmp_path / "engine" / "cloud")
    made = dict(cloud.resources)
    assert len(made) > 30, said

    ran = fresh("provision", "--env", "staging", "--yes")
    assert ran.code == 0, ran.told()
    assert "nothing to change" in ran.out
    assert cloud.resources == made
    state = Project(file.load(fresh.folder / "shipit.yaml")).ledger.read()
    outputs = state.stacks["staging"].outputs
    assert outputs["capacity_providers"] == {"FARGATE": 1, "FARGATE_SPOT": 3}


def test_the_program_runs_where_shipit_does_whatever_python_is_first(
    fresh: Shipit, tmp_path: Path
) -> None:
    """One without shipit, as on a machine where shipit is in an environment of its own."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "python3").write_text("#!/bin/sh\nexit 9\n")
    (other / "python3").chmod(0o755)
    fresh.env["PATH"] = os.pathsep.join([str(other), str(fresh.env["PATH"])])
    ran = fresh("provision", "--env", "staging", "--preview")
    assert ran.code == 0, ran.told()
    assert "+ aws:ec2:Vpc" in ran.out
    assert not (fresh.folder / "stacks" / ".venv").exists()
