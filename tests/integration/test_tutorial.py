"""docs/tutorial.md, step by step, on a real engine: what the page says is what happens.

A fenced block ```<language> file=NAME is written to that file. A block ```console holds commands
after `$ ` and what they print; its last command ends with 0, or with what `exit=N` says.
In what is printed, `...` is any text, on a line of its own any lines; ids, times and runs of blanks
are not compared.
"""

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(\w+)(?: (file|exit)=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARYING = (
    (re.compile(r"\b[0-9a-f]{12}\b|\b[0-9a-f]{7}\b"), "ID"),
    (re.compile(r"\b\d+(?:\.\d+)?(?:ms|s|m|h|d)\b(?: \d+s\b)?"), "TIME"),
    (re.compile(r"^\d+(?= )"), "NO"),
    (re.compile(r"\s+"), " "),
)
_DEADLINE = 120  # seconds a command


class Step(NamedTuple):
    command: list[str]
    printed: list[str]
    code: int


def steps(body: str, code: int) -> Iterator[Step]:
    """The commands of a console block. Only the last may be expected to fail."""
    commands = re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]
    for n, text in enumerate(commands, start=1):
        command, *printed = text.rstrip("\n").split("\n")
        yield Step(shlex.split(command), printed, code if n == len(commands) else 0)


def plain(line: str) -> str:
    for pattern, word in _VARYING:
        line = pattern.sub(word, line.strip())
    return line


def matches(expected: list[str], printed: list[str]) -> bool:
    parts = [
        r"(?:.*\n)*?" if line == "..." else re.escape(plain(line)).replace(r"\.\.\.", ".*") + r"\n"
        for line in expected
    ]
    text = "".join(plain(line) + "\n" for line in printed)
    return re.fullmatch("".join(parts), text) is not None


def test_the_comparison_is_loose_only_where_it_says_so() -> None:
    printed = ["12:03:04 dev", "✓ dev runs 1a2b3c4, proven in 2.1s", "   web  0123456789ab"]
    assert matches(["...", "✓ dev runs 53f86ea, proven in 12s", "  web  d508735bcac4"], printed)
    assert matches(["12:03:04 dev", "✓ dev runs ...", "..."], printed)
    assert not matches(["✓ dev runs 53f86ea, proven in 12s", "..."], printed)
    assert not matches(["...", "✓ qa runs 53f86ea, proven in 12s", "..."], printed)
    assert not matches(["...", "✓ dev runs 53f86ea, proven in 12s"], printed)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user with a name, and shipit first in the path."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("SHIPIT_")}
    own.pop("CI", None)
    return {
        **own,
        "PATH": f"{Path(sys.executable).parent}:{own['PATH']}",
        "HOME": str(tmp_path),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "Ana",
        "GIT_AUTHOR_EMAIL": "ana@example.com",
        "GIT_COMMITTER_NAME": "Ana",
        "GIT_COMMITTER_EMAIL": "ana@example.com",
        "SHIPIT_ACTOR": "ana",
        "PYTHONIOENCODING": "utf-8",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = environ

    def write(self, name: str, body: str) -> None:
        (self.folder / name).write_text(body)

    def do(self, step: Step) -> None:
        if step.command[0] == "cd":
            self.folder /= step.command[1]
            return
        done = self.run(step.command)
        said = f"$ {shlex.join(step.command)}\n{done.stdout}(exit code {done.returncode})"
        assert done.returncode == step.code, said
        assert matches(step.printed, done.stdout.splitlines()), said

    def run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_DEADLINE,
            check=False,
        )


@pytest.fixture
def app() -> str:
    return f"hello-{uuid4().hex[:6]}"


@pytest.fixture
def reader(tmp_path: Path, environ: dict[str, str], app: str) -> Iterator[Reader]:
    reader = Reader(tmp_path, environ)
    yield reader
    for environment in ("dev", "qa"):
        reader.run(["shipit", "rm", "--yes", "--env", environment])
    for reference in references(reader, app):
        reader.run(["docker", "image", "rm", reference])


def references(reader: Reader, app: str) -> list[str]:
    """Names of our own images. Others may have the same images under names of their own."""
    ours = f"reference=*/{app}/*"
    ids = set(reader.run(["docker", "image", "ls", "-q", "--filter", ours]).stdout.split())
    names = '{{join .RepoTags "\\n"}}\n{{join .RepoDigests "\\n"}}'
    found = reader.run(["docker", "image", "inspect", "--format", names, *sorted(ids)])
    return [name for name in found.stdout.split() if f"/{app}/" in name] if ids else []


@pytest.mark.engine
@pytest.mark.slow
def test_every_step_does_what_the_page_says(reader: Reader, app: str) -> None:
    page = TUTORIAL.read_text()
    for word, own in (("hello", app), ("9081", str(free_port())), ("9082", str(free_port()))):
        page = page.replace(word, own)
    blocks = _BLOCK.findall(page)
    assert len(blocks) == page.count("\n```") // 2
    for language, word, value, body in blocks:
        if word == "file":
            reader.write(value, body)
            continue
        assert language == "console"
        for step in steps(body, int(value or 0)):
            reader.do(step)
