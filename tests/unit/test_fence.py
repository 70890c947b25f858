"""The fence around unmarked tests, and what a run without the real things says: a pytest of its own
over a file of its own, with this suite's conftest."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

REFUSED = """
    import socket, subprocess, sys
    from contextlib import suppress
    from shipit import process

    def test_docker():
        subprocess.run(["docker", "ps"])

    def test_an_engine_by_its_path():
        subprocess.run(["/usr/sbin/dockerd"])

    def test_a_refusal_that_is_swallowed():
        with suppress(BaseException):
            subprocess.run(["docker", "ps"])

    def test_docker_of_a_program():
        subprocess.run(["sh", "-c", "docker pull busybox; exit 0"])

    def test_compose_that_starts_something():
        subprocess.run([*process.compose(), "up"])

    def test_a_registry():
        subprocess.run(["docker-registry", "serve"])

    def test_a_cloud():
        subprocess.run([sys.executable, "-m", "moto.server"])

    def test_another_machine():
        socket.create_connection(("192.0.2.1", 80), 0.01)

    def test_another_machines_name():
        socket.getaddrinfo("registry.example.com", 443)

    def test_the_engines_socket():
        with socket.socket(socket.AF_UNIX) as there:
            there.connect("/var/run/docker.sock")
"""
ALLOWED = """
    import os, socket, subprocess
    import pytest
    from shipit import process

    def test_compose_that_renders():
        done = process.run([*process.compose(), "version"], deadline=20)
        assert done.code == 0, done.stderr

    def test_loopback():
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(("localhost", server.getsockname()[1]), 2).close()

    def test_a_stand_in(tmp_path, monkeypatch):
        stand_in = tmp_path / "docker"
        stand_in.write_text("#!/bin/sh\\necho mine")
        stand_in.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        assert subprocess.run(["docker"], capture_output=True).stdout == b"mine\\n"

    def test_programs_find_no_engine():
        said = subprocess.run(["sh", "-c", "echo $DOCKER_HOST"], capture_output=True, text=True)
        assert said.stdout.startswith("unix:///no/engine")

    @pytest.mark.registry
    def test_what_has_its_marker():
        with pytest.raises(FileNotFoundError):
            subprocess.run(["/nowhere/docker-registry"])
"""
MARKED = """
    import pytest

    @pytest.mark.engine
    def test_one(): raise AssertionError("it ran")

    @pytest.mark.engine
    def test_two(): raise AssertionError("it ran")

    @pytest.mark.registry
    def test_three(): raise AssertionError("it ran")
"""


def pytest_over(tests: str, folder: Path, *, path: str = "") -> str:
    """What pytest prints at the end."""
    file = folder / "test_inner.py"
    file.write_text(textwrap.dedent(tests))
    argv = [sys.executable, "-m", "pytest", "-rA", "--tb=short", "-p", "no:cacheprovider"]
    argv += ["-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)]
    argv += ["-p", "pytest_timeout"]  # its settings are in pyproject.toml
    environment = {
        "PYTHONPATH": str(ROOT),
        "PATH": path or "/usr/bin:/bin",
        "HOME": str(folder),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done = subprocess.run(
        [*argv, str(file)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.stdout + done.stderr


def names(tests: str) -> list[str]:
    return re.findall(r"def (test_\w+)", tests)


def test_what_needs_a_marker_is_refused(tmp_path: Path) -> None:
    said = pytest_over(REFUSED, tmp_path)
    assert re.findall(r"^(?:FAILED|ERROR) \S+::(test_\w+)", said, re.MULTILINE) == names(REFUSED), (
        said
    )
    assert "PASSED" not in said
    for words in (
        "`docker ps` was started: mark this test `engine`",
        "`docker pull busybox` was started by a program of this test: mark it `engine`",
        "`docker-registry serve` was started: mark this test `registry`",
        "-m moto.server` was started: mark this test `aws`",
        "registry.example.com was reached for: tests stay on loopback",
        "the engine at /var/run/docker.sock was asked: mark this test `engine`",
    ):
        assert words in said


def test_what_needs_none_is_left_alone(tmp_path: Path) -> None:
    said = pytest_over(ALLOWED, tmp_path)
    passed = re.findall(r"^(?:PASSED|SKIPPED) \S+::(test_\w+)", said, re.MULTILINE)
    skipped = said.count("no docker-registry")
    assert len(passed) + bool(skipped) == len(names(ALLOWED)), said


@pytest.mark.parametrize(
    ("docker", "reason"),
    [
        ("", "no docker command line: `scripts/ground --tests` installs one"),
        ("exit 1", "no Docker engine answers: `scripts/engine start`"),
    ],
)
def test_what_is_not_there_is_skipped_with_one_reason(
    docker: str, reason: str, tmp_path: Path
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    if docker:
        stand_in = tools / "docker"
        stand_in.write_text(f"#!/bin/sh\n{docker}\n")
        stand_in.chmod(0o755)
    said = pytest_over(MARKED, tmp_path, path=str(tools))
    skipped = re.findall(r"^SKIPPED \[(\d)\] \S+ (.*)$", said, re.MULTILINE)
    assert skipped == [
        ("2", reason),
        ("1", "no docker-registry: `scripts/ground --tests` installs it"),
    ], said
    assert "3 skipped" in said
