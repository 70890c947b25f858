"""GitHub's runner: the jobs of a workflow in the order of their needs, their shell for real.

Each job has a machine of its own: a workspace and a temporary folder that nobody used before. What
is another's action is played: a checkout clones, a role is written down, Google's credentials are
left where `auth` leaves them. Of this repository only `.github` is checked out.
"""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tests.fakes.actions.expressions import holds, insert

ROOT = Path(__file__).parents[3]
REPOSITORY = "acme/shop"
SOURCE = "OWNER/shipit"
_FOREIGN = ("CI", "GITHUB_", "GITLAB_", "SHIPIT_", "RUNNER_", "GOOGLE_", "AWS_")
_DEADLINE = 180.0  # seconds for a step
Json = dict[str, Any]


class Job(msgspec.Struct):
    """How a job ended: "success", "failure" or "skipped". `role` is the one it took in AWS."""

    outcome: str = "success"
    outputs: dict[str, str] = {}
    log: str = ""
    summary: str = ""
    role: str = ""
    folder: Path = Path()


class Runner:
    """`origin` is the user's repository, `programs` what the machines have before all else, and
    `variables` those of GitHub's environments, by environment."""

    def __init__(
        self,
        folder: Path,
        origin: Path,
        programs: Mapping[str, str],
        *,
        env: Mapping[str, str] | None = None,
        variables: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.folder, self.origin = folder, origin
        self.variables = variables or {}
        self.env = dict(env or {})
        self.programs = folder / "programs"
        self.programs.mkdir(parents=True)
        for name, script in {"python": "#!/bin/sh\nexit 0\n", **programs}.items():
            self.install(name, script)
        self._machines = 0

    def install(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(script)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(
        self,
        workflow: str = "promote",
        *,
        inputs: Mapping[str, str] | None = None,
        event: Json | None = None,
        before: Mapping[str, Job] | None = None,
        only: Iterable[str] = (),
    ) -> dict[str, Job]:
        """The jobs by name (`plan (qa)` with its matrix). `before` and `only` are a run again: what
        is not among `only` ended as it did before."""
        loaded = yaml.safe_load((ROOT / f".github/workflows/{workflow}.yml").read_text())
        declared = loaded[True]["workflow_call"]["inputs"]  # YAML 1.1 takes `on` for a boolean
        given = {name: one.get("default", "") for name, one in declared.items()}
        known = {
            "inputs": {**given, "source": SOURCE, "ref": "main", **(inputs or {})},
            "github": {"repository": REPOSITORY, "event_name": "push", **(event or {})},
            "needs": {},
        }
        ended = dict(before or {})
        for name, job in loaded["jobs"].items():
            if before is None or name in only:
                ended |= self._job(name, job, {**known, "needs": _needed(ended)})
        return ended

    def _job(self, name: str, job: Json, known: Json) -> dict[str, Job]:
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        well = all(known["needs"][need]["result"] == "success" for need in needs)
        if not holds(job.get("if", "success()"), known, well=well):
            return {name: Job("skipped")}
        matrix = job.get("strategy", {}).get("matrix", {})
        if not matrix:
            return {name: self._on_a_machine(job, known)}
        ((key, values),) = matrix.items()
        return {
            f"{name} ({value})": self._on_a_machine(job, {**known, "matrix": {key: value}})
            for value in insert(values, known)
        }

    def _on_a_machine(self, job: Json, known: Json) -> Job:
        self._machines += 1
        machine = self.folder / str(self._machines)
        (machine / "workspace").mkdir(parents=True)
        (machine / "temp").mkdir()
        named = job.get("environment", "")
        environment = insert(named["name"] if isinstance(named, dict) else named, known)
        known = {
            **known,
            "vars": self.variables.get(environment, {}),
            "github": {**known["github"], "workspace": str(machine / "workspace")},
        }
        env = {key: str(insert(value, known)) for key, value in job.get("env", {}).items()}
        done = Job(folder=machine)
        steps = _Steps(self, machine, done, env)
        folder = job.get("defaults", {}).get("run", {}).get("working-directory", ".")
        results = steps.run(job["steps"], known, str(insert(folder, known)))
        outputs = job.get("outputs", {})
        told = {key: insert(value, {**known, "steps": results}) for key, value in outputs.items()}
        done.outputs = {key: value or "" for key, value in told.items()}
        return done


class _Steps:
    """The steps of one job, or of a composite action within it."""

    def __init__(self, runner: Runner, machine: Path, job: Job, env: dict[str, str]) -> None:
        self.runner, self.machine, self.job, self.env = runner, machine, job, env
        self.workspace = machine / "workspace"

    def run(self, steps: list[Json], known: Json, folder: str) -> dict[str, Json]:
        """What the steps with an id have put out."""
        results: dict[str, Json] = {}
        for step in steps:
            told = {**known, "env": self.env, "steps": results}
            if not holds(step.get("if", "success()"), told, well=self.job.outcome == "success"):
                continue
            if "uses" in step:
                self._uses(step, told)
            else:
                outputs = self._shell(step, told, folder)
                results[step.get("id", "")] = {"outputs": outputs}
        return results

    def _uses(self, step: Json, known: Json) -> None:
        given = {key: insert(value, known) for key, value in step.get("with", {}).items()}
        action = step["uses"].partition("@")[0]
        if action == "actions/checkout":
            self._check_out(given)
        elif action == "aws-actions/configure-aws-credentials":
            self.job.role = given["role-to-assume"]
        elif action == "google-github-actions/auth":
            self._leave_credentials()
        elif action.startswith("./"):
            self._composite(self.workspace / action, given, known)
        else:
            assert action == "actions/setup-python", action

    def _check_out(self, given: Json) -> None:
        path = self.workspace / given.get("path", ".")
        if given.get("repository"):
            assert given["repository"] == SOURCE
            shutil.copytree(ROOT / ".github", path / ".github")
            return
        clone = ["git", "clone", "--quiet", "--depth", "1", f"file://{self.runner.origin}", path]
        subprocess.run(clone, check=True, timeout=60)

    def _leave_credentials(self) -> None:
        left = self.workspace / "gha-creds-0123456789abcdef.json"
        left.write_text("{}")
        for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_GHA_CREDS_PATH"):
            self.env[name] = str(left)

    def _composite(self, folder: Path, given: Json, known: Json) -> None:
        action = yaml.safe_load((folder / "action.yml").read_text())
        defaults = {name: one.get("default", "") for name, one in action["inputs"].items()}
        inputs = {**defaults, **{key: value or "" for key, value in given.items()}}
        self.run(action["runs"]["steps"], {**known, "inputs": inputs}, ".")

    def _shell(self, step: Json, known: Json, folder: str) -> dict[str, str]:
        files = {name: self.machine / name.lower() for name in ("OUTPUT", "ENV", "STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        script = self.machine / "step.sh"
        script.write_text(step["run"])
        own = {key: str(insert(value, known) or "") for key, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.workspace / folder,
            env=self._environment(files) | self.env | own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_DEADLINE,
            check=False,
        )
        self.job.log += done.stdout
        self.job.summary += files["STEP_SUMMARY"].read_text()
        self.env |= _assigned(files["ENV"])
        if done.returncode:
            self.job.outcome = "failure"
            self.job.log += f"[exit code {done.returncode}]\n"
        return _assigned(files["OUTPUT"])

    def _environment(self, files: Mapping[str, Path]) -> dict[str, str]:
        mine = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        path = os.pathsep.join([str(self.runner.programs), mine["PATH"]])
        return {
            **mine,
            **{f"GITHUB_{name}": str(file) for name, file in files.items()},
            "PATH": path,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_ACTOR": "ada",
            "GITHUB_RUN_ID": "7",
            "RUNNER_TEMP": str(self.machine / "temp"),
            **self.runner.env,
        }


def _needed(ended: Mapping[str, Job]) -> Json:
    return {name: {"result": job.outcome, "outputs": job.outputs} for name, job in ended.items()}


def _assigned(file: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in file.read_text().splitlines())
    return {name: value for name, _, value in pairs}


def pull_request(name: str = "pull_request", *, head: str = REPOSITORY) -> Json:
    """Number 7, from a branch of `head`, as the event of this name has it."""
    of = {"number": 7, "head": {"repo": {"full_name": head}}}
    return {"event_name": name, "event": {"pull_request": of}, "ref": "refs/pull/7/merge"}


def python(module: str) -> str:
    """A program that is a module of ours."""
    return (
        f"#!{sys.executable}\nimport runpy, sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"sys.argv[0] = {module!r}\nrunpy.run_module({module!r}, run_name='__main__')\n"
    )
