"""What `docker login` left, as docker itself would read it."""

import base64
import json
import os
from pathlib import Path

import pytest

from shipit.registry.docker_config import DockerConfig
from shipit.registry.keychain import Answer, Chain


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DOCKER_CONFIG, and a folder `bin` in front of PATH for credential helpers."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path


def write(folder: Path, **fields: object) -> None:
    (folder / "config.json").write_text(json.dumps(fields))


def helper(folder: Path, name: str, script: str) -> None:
    program = folder / "bin" / f"docker-credential-{name}"
    program.write_text(f"#!/bin/sh\nread server\n{script}\n")
    program.chmod(0o755)


def encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("key", ["ghcr.io", "https://ghcr.io", "https://ghcr.io/v1/"])
def test_an_entry_of_auths(folder: Path, key: str) -> None:
    other = {"auth": encoded("no", "no")}
    write(folder, auths={"other.io": other, key: {"auth": encoded("ci", "a:b")}})

    found = DockerConfig().resolve("ghcr.io")

    assert found is not None
    assert (found.username, found.password.reveal()) == ("ci", "a:b")


def test_docker_hub_has_a_key_of_its_own(folder: Path) -> None:
    write(folder, auths={"https://index.docker.io/v1/": {"auth": encoded("me", "pat")}})

    found = DockerConfig().resolve("docker.io")

    assert found is not None
    assert found.username == "me"


def test_an_identity_token(folder: Path) -> None:
    write(folder, auths={"acr.io": {"auth": encoded("00000", ""), "identitytoken": "refresh"}})

    found = DockerConfig().resolve("acr.io")

    assert found is not None
    assert found.identity_token.reveal() == "refresh"


def test_a_helper_of_the_registry_comes_before_the_store(folder: Path) -> None:
    helper(folder, "store", "exit 1")
    helper(folder, "own", """printf '{"Username": "%s", "Secret": "s"}' "$server" """)
    write(folder, credHelpers={"ghcr.io": "own"}, credsStore="store")

    found = DockerConfig().resolve("ghcr.io")

    assert found is not None
    assert (found.username, found.password.reveal()) == ("ghcr.io", "s")
    assert found.source == "docker config (docker-credential-own)"


def test_a_store_may_give_an_identity_token(folder: Path) -> None:
    helper(folder, "store", """echo '{"Username": "<token>", "Secret": "refresh"}'""")
    write(folder, credsStore="store")

    found = DockerConfig().resolve("acr.io")

    assert found is not None
    assert found.identity_token.reveal() == "refresh"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'credentials not found in native keychain'; exit 1", "credentials not found"),
        ("echo not json", "docker-credential-store did not answer in JSON"),
    ],
)
def test_a_store_that_declines_says_why(folder: Path, script: str, reason: str) -> None:
    helper(folder, "store", script)
    write(folder, credsStore="store")
    keychain = DockerConfig()

    assert keychain.resolve("ghcr.io") is None
    assert reason in keychain.reason("ghcr.io")


def test_a_helper_that_is_not_installed_is_a_reason(folder: Path) -> None:
    write(folder, credHelpers={"ghcr.io": "nowhere"})
    keychain = DockerConfig()

    assert keychain.resolve("ghcr.io") is None
    assert keychain.reason("ghcr.io") == "docker-credential-nowhere is not installed"


def test_no_file_and_no_entry_and_a_broken_file_are_reasons(folder: Path) -> None:
    keychain = DockerConfig()
    assert keychain.resolve("ghcr.io") is None
    assert keychain.reason("ghcr.io") == f"there is no {folder}/config.json"

    write(folder, auths={})
    assert keychain.resolve("ghcr.io") is None
    assert keychain.reason("ghcr.io") == f"{folder}/config.json has no entry for ghcr.io"

    (folder / "config.json").write_text("{")
    assert keychain.resolve("ghcr.io") is None
    assert "cannot be read" in keychain.reason("ghcr.io")


def test_the_chain_remembers_who_answered_and_why_the_others_did_not(folder: Path) -> None:
    write(folder, auths={"ghcr.io": {"auth": encoded("ci", "secret")}})
    first, second = DockerConfig(folder / "bin"), DockerConfig()
    chain = Chain([first, second])

    assert chain.resolve("ghcr.io") is not None
    assert chain.answers("ghcr.io") == (
        Answer("docker config", f"there is no {folder}/bin/config.json"),
        Answer("docker config"),
    )
    write(folder, auths={})
    assert chain.resolve("ghcr.io") is not None
    chain.forget("ghcr.io")
    assert chain.resolve("ghcr.io") is None
