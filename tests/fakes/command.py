"""`shipit` as a user runs it: the installed command in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

COMMAND = str(Path(sys.executable).with_name("shipit"))
# What would make a test on a build server's own machine differ from one on a laptop.
_FOREIGN = ("CI", "GITHUB_", "GITLAB_", "SHIPIT_", "COMPOSE_", "NO_COLOR", "FORCE_COLOR", "BUILDX_")
_TOLD = 25  # lines of output that a failed assertion shows
ACTOR = "ada@example.com"


class Ran(msgspec.Struct, frozen=True):
    """A command that ended."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """All of stdout as one document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """stdout as one object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def result(self) -> dict[str, Any]:
        """The last line of stdout, which with --json is the result or the error."""
        return self.lines[-1]

    def told(self) -> str:
        """For an assertion's message."""
        words = " ".join(self.words)
        said = (self.out + self.err).splitlines()[-_TOLD:]
        return "\n".join([f"$ shipit {words}", *said, f"[exit code {self.code}]"])


class Shipit:
    """`shipit` in a folder. `env` is added to this process's environment; None takes away."""

    def __init__(self, folder: Path, env: Mapping[str, str | None] | None = None) -> None:
        self.folder = folder
        self.env = dict(env or {})

    def __call__(self, *words: str, stdin: str = "", deadline: float = 120.0) -> Ran:
        done = subprocess.run(
            [COMMAND, *words],
            cwd=self.folder,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )
        return Ran(words, done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """In the background; to be ended by whoever started it."""
        return subprocess.Popen(
            [COMMAND, *words],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ok(self, *words: str) -> Ran:
        """Exit code 0, or the test fails with what was said."""
        ran = self(*words)
        assert ran.code == 0, ran.told()
        return ran

    def environment(self) -> dict[str, str]:
        found = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        found |= {"SHIPIT_ACTOR": ACTOR, "COLUMNS": "100"}
        found |= {k: v for k, v in self.env.items() if v is not None}
        return {k: v for k, v in found.items() if self.env.get(k, "") is not None}

    def with_env(self, **env: str | None) -> "Shipit":
        return Shipit(self.folder, {**self.env, **env})


def refused(ran: Ran, *words: str, code: int = 2) -> str:
    """One clear message: `error:`, then perhaps `why:` and `now:`, and no traceback. Each of
    `words` is in it. Returns it."""
    assert ran.code == code, ran.told()
    assert "Traceback" not in ran.err + ran.out, ran.told()
    lines = ran.err.splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith("error: ")), None)
    assert start is not None, ran.told()
    message = lines[start:]
    labels = [line for line in message if not line.startswith("       ")]
    assert [label[:7] for label in labels] in (
        ["error: "],
        ["error: ", "  why: "],
        ["error: ", "  now: "],
        ["error: ", "  why: ", "  now: "],
    ), ran.told()
    text = "\n".join(message)
    assert [word for word in words if word not in text] == [], ran.told()
    return text


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below it, for "nothing has changed"."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def git(folder: Path, *words: str) -> str:
    """git with an author, and none of the machine's settings."""
    done = subprocess.run(
        ["git", "-c", "user.name=Ada", "-c", f"user.email={ACTOR}", *words],
        cwd=folder,
        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def commit_all(folder: Path, message: str = "a change") -> str:
    """Everything in the folder as a commit (in a new repository, if need be); its id."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")
