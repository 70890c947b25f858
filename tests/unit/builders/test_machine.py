"""The docker command line and buildx are small programs here, that say what the real ones said."""

from pathlib import Path
from typing import Any

import pytest

from shipit.builders import machine
from shipit.builders.output import Plain, RawJson
from shipit.errors import PreconditionError

CONTEXT = '[{{"Name": "{name}", "Endpoints": {{"docker": {{"Host": "{host}"}}}}}}]'


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write docker and docker-buildx: what each says to `words`, and its exit code."""
    plugins = tmp_path / "config" / "cli-plugins"
    plugins.mkdir(parents=True)
    monkeypatch.setenv("DOCKER_CONFIG", str(plugins.parent))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("shipit.process._PLUGIN_FOLDERS", ())

    def write(name: str, **answers: Any) -> Any:
        path = (plugins if name == "docker-buildx" else tmp_path) / name
        cases = "".join(
            f"{word}) cat <<'END'\n{said}\nEND\nexit {code} ;;\n"
            for word, (said, code) in answers.items()
        )
        path.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}esac\n')
        path.chmod(0o755)
        return str(path)

    write(
        "docker",
        context=(CONTEXT.format(name="default", host="unix:///d.sock"), 0),
        version=("20.10.24", 0),
    )
    return write


BUILDX = "github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3"


def test_a_loopback_registry_is_built_for_by_the_engine_itself(programs: Any) -> None:
    program = programs("docker-buildx", version=(BUILDX, 0))
    found = machine.find("127.0.0.1:5000/shop")
    assert found.argv == (program, "build", "--builder", "default")
    assert found.embedded
    assert isinstance(found.dialect(), RawJson)


def test_another_registry_is_built_for_by_the_users_own_builder(programs: Any) -> None:
    program = programs(
        "docker-buildx",
        version=("github.com/docker/buildx v0.12.1 30feaa1", 0),
        inspect=("Name:   ci\nDriver: docker-container\n", 0),
    )
    found = machine.find("ghcr.io/acme/shop")
    assert found.argv == (program, "build")
    assert not found.embedded
    assert isinstance(found.dialect(), Plain)


def test_an_engine_elsewhere_cannot_push_to_a_loopback_registry(programs: Any) -> None:
    programs("docker-buildx", version=(BUILDX, 0))
    programs(
        "docker", context=(CONTEXT.format(name="qa", host="ssh://deploy@qa"), 0), version=("20", 0)
    )
    with pytest.raises(PreconditionError, match=r"ssh://deploy@qa cannot push to 127\.0\.0\.1"):
        machine.find("127.0.0.1:5000/shop")


def test_no_engine_is_said_before_anything_is_built(programs: Any) -> None:
    programs("docker-buildx", version=(BUILDX, 0), inspect=("Name: default\nDriver: \n", 0))
    context = (CONTEXT.format(name="default", host="unix:///d.sock"), 0)
    programs("docker", context=context, version=("Cannot connect to the Docker daemon", 1))
    for registry in ("localhost:5000", "ghcr.io/acme"):
        with pytest.raises(PreconditionError, match="no Docker engine answers") as raised:
            machine.find(registry)
        assert raised.value.why == "Cannot connect to the Docker daemon"
        assert "systemctl start docker" in raised.value.next_step


def test_no_buildx_is_said_with_what_to_install(programs: Any) -> None:
    with pytest.raises(PreconditionError, match="buildx is not installed") as raised:
        machine.find("127.0.0.1:5000")
    assert "docker-buildx" in raised.value.next_step


def test_no_docker_command_line_is_said(
    programs: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "docker").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PreconditionError, match="docker command line is not installed"):
        machine.find("127.0.0.1:5000")


@pytest.mark.parametrize(
    ("buildx", "docker", "said"),
    [
        ({"inspect": ("no builder", 1)}, {}, "the current builder cannot be read"),
        ({}, {"context": ("context not found", 1)}, "the current Docker context cannot be read"),
    ],
)
def test_what_docker_refuses_is_passed_on(
    programs: Any, buildx: Any, docker: Any, said: Any
) -> None:
    programs("docker-buildx", version=(BUILDX, 0), **buildx)
    if docker:
        programs("docker", **docker)
    with pytest.raises(PreconditionError, match=said):
        machine.find("127.0.0.1:1" if docker else "ghcr.io/acme")


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("127.0.0.1:5000/shop", True),
        ("127.1.2.3", True),
        ("localhost:5000", True),
        ("[::1]:5000/shop", True),
        ("registry.example.com:5000", False),
        ("localhost.example.com", False),
        ("128.0.0.1", False),
    ],
)
def test_loopback(registry: Any, expected: Any) -> None:
    assert machine.is_loopback(registry) is expected
