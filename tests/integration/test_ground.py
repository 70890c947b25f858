"""The scripts that a fresh machine is set up with, as far as a machine can be asked to pretend."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"])
TOOLS = ("bash", "sh", "cat", "dirname", "mkdir", "id", "printf", "sleep", "sha256sum", "cut")

# Addresses of package indexes: where packages come from is the machine's own setting.
INDEX_HOST = re.compile(r"pypi\.org|pythonhosted|deb\.debian\.org|archive\.ubuntu|proxy\.golang")


@pytest.fixture
def machine(tmp_path: Path) -> Any:
    """A PATH with the plainest tools and a state folder; `program` puts another one on it."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(found(name))

    class Machine:
        log = tmp_path / "called"
        environment = {  # noqa: RUF012 - one test's own
            "PATH": str(tools),
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }

        def program(self, name: str, body: Any) -> Any:
            path = tools / name
            path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n{body}\n')
            path.chmod(0o755)

        def called(self) -> Any:
            return self.log.read_text().splitlines() if self.log.exists() else []

        def run(self, script: Any, *words: Any, **more: Any) -> Any:
            return subprocess.run(
                [ROOT / "scripts" / script, *words],
                env={**self.environment, **more},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                stdin=subprocess.DEVNULL,
            )

    return Machine()


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_every_script_is_bash_that_stops_at_the_first_error(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True, timeout=20)
    if path.suffix != ".sh":
        assert os.access(path, os.X_OK)
        assert re.search(r"^set -e?uo pipefail$", path.read_text(), re.MULTILINE)


def test_no_file_names_a_package_index() -> None:
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=True, timeout=20
    )
    files = [ROOT / name for name in listed.stdout.splitlines()]
    texts = {p: p.read_text(errors="replace") for p in files if p.is_file()}
    here = Path(__file__)
    assert [str(p) for p, text in texts.items() if p != here and INDEX_HOST.search(text)] == []


@pytest.mark.parametrize("name", ["runtime", "dev", "build"])
def test_every_requirement_is_one_version_with_its_hashes(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_an_old_python_is_told_in_one_sentence(machine: Any) -> None:
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        machine.program(name, 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    done = machine.run("venv")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Python 3.11 or later, and Python 3.9.2 is here" in done.stderr


def test_packages_that_are_there_are_left_alone(machine: Any) -> None:
    machine.program("dpkg-query", "echo installed")
    machine.program("apt-get", "exit 1")
    done = machine.run("packages", "git", "skopeo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not [line for line in machine.called() if line.startswith("apt-get")]


def test_a_broken_source_does_not_stop_an_install(machine: Any) -> None:
    machine.program("dpkg-query", "exit 1")
    machine.program("sudo", 'exec "$@"')
    machine.program("apt-get", 'case "$*" in *update*) exit 100;; esac')
    done = machine.run("packages", "git", "skopeo")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "packages: installing git skopeo\n"
    (installed,) = [line for line in machine.called() if " install " in line and "apt-get" in line]
    assert installed.endswith(" install git skopeo")


def test_a_failed_install_shows_what_apt_said(machine: Any) -> None:
    machine.program("dpkg-query", "exit 1")
    machine.program("sudo", 'exec "$@"')
    machine.program("tail", 'exec /usr/bin/tail "$@"')
    machine.program("apt-get", 'case "$*" in *install*) echo E: no space; exit 100;; esac')
    done = machine.run("packages", "git")
    assert done.returncode == 1
    assert "E: no space" in done.stderr
    assert "failed: " in done.stderr


def test_an_engine_that_answers_is_left_alone(machine: Any) -> None:
    machine.program("docker", "echo 20.10.24")
    done = machine.run("engine", "start")
    assert done.returncode == 0
    assert done.stderr == "engine:  engine 20.10.24 answers\n"


@pytest.mark.parametrize(
    ("said", "host", "told"),
    [
        ("Cannot connect", "tcp://10.0.0.1:2375", "DOCKER_HOST=tcp://10.0.0.1:2375"),
        ("permission denied while trying to connect", "", "usermod -aG docker"),
    ],
)
def test_what_a_start_cannot_help_is_told_with_the_next_step(
    machine: Any, said: Any, host: Any, told: Any
) -> None:
    machine.program("docker", f"echo '{said}' >&2; exit 1")
    machine.program("dockerd", "exit 1")
    done = machine.run("engine", "start", **({"DOCKER_HOST": host} if host else {}))
    assert done.returncode == 1
    assert told in done.stderr
    assert not [line for line in machine.called() if line.startswith("dockerd")]


def test_only_an_engine_that_was_started_by_hand_is_ended(machine: Any) -> None:
    state = Path(machine.environment["XDG_STATE_HOME"]) / "shipit"
    state.mkdir(parents=True)
    # The process id of something else that took the number over: this test's own.
    (state / "dockerd.pid").write_text(str(os.getpid()))
    done = machine.run("engine", "stop")
    assert done.returncode == 0
    assert "no engine here was started by hand" in done.stderr


def test_buildx_that_is_there_is_left_alone(machine: Any) -> None:
    machine.program("docker", "exit 0")
    done = machine.run("buildx")
    assert done.returncode == 0
    assert machine.called() == ["docker buildx version"]


def test_buildx_of_a_newer_suite_comes_from_the_machines_own_archive(machine: Any) -> None:
    """apt is a program here that writes down the source it was given, and packs a plugin."""
    for name in ("awk", "find", "install", "mktemp", "rm", "grep", "head"):
        machine.program(name, f'exec {found(name)} "$@"')
    machine.program("docker", "exit 1")
    machine.program("apt-cache", "echo '  Candidate: (none)'")
    codename = release("VERSION_CODENAME")
    machine.program(
        "apt-get",
        f"""case "$*" in
        *indextargets*) echo "http://mirror.example/debian/ {codename} main Packages";;
        *update*) for word in "$@"; do case "$word" in Dir::Etc::sourcelist=*)
            cat "${{word#*=}}" >> {machine.log};; esac; done;;
        *download*) echo packed > docker-buildx_1_all.deb;;
        esac""",
    )
    machine.program(
        "dpkg",
        'mkdir -p "$3/usr/libexec/docker/cli-plugins"\n'
        'echo plugin > "$3/usr/libexec/docker/cli-plugins/docker-buildx"',
    )
    done = machine.run("buildx")
    assert done.returncode == 0, done.stderr
    source = next(line for line in machine.called() if line.startswith("deb "))
    suite = {"debian": "trixie", "ubuntu": "noble"}[release("ID")]
    assert source.endswith(f"http://mirror.example/debian/ {suite} main")
    plugin = Path(machine.environment["HOME"]) / ".docker" / "cli-plugins" / "docker-buildx"
    assert plugin.read_text() == "plugin\n"
    assert os.access(plugin, os.X_OK)


def release(key: str) -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return next(v.strip('"') for k, _, v in (line.partition("=") for line in lines) if k == key)


def found(name: str) -> str:
    path = shutil.which(name)
    assert path, name
    return path
