"""Which engine a target is on: shipit.yaml, then what the docker command line would use."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import PreconditionError
from shipit.targets.engine.address import Address, find
from shipit.targets.engine.client import Engine
from shipit.targets.engine.transport import ssh

NEXT_STEP = (
    "start it (`sudo systemctl start docker`, or Docker Desktop), or set `host` or `context` "
    "under the target in shipit.yaml"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def add_context(folder: Path, name: str, **endpoint: Any) -> str:
    key = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / key
    meta.mkdir(parents=True)
    content = {"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}
    (meta / "meta.json").write_text(json.dumps(content))
    return key


def test_the_default_socket() -> None:
    assert find("", "").url == "unix:///var/run/docker.sock"


def test_the_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_context(folder, "current", Host="unix:///current.sock")
    add_context(folder, "chosen", Host="unix:///chosen.sock")
    (folder / "config.json").write_text('{"currentContext": "current"}')
    assert find("", "").url == "unix:///current.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "chosen")
    assert find("", "").url == "unix:///chosen.sock"
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
    assert find("", "").url == "tcp://127.0.0.1:2375"
    assert find("", "chosen") == Address(
        "unix:///chosen.sock", "the Docker context chosen", "", True
    )
    assert find("ssh://deploy@far", "chosen").url == "ssh://deploy@far"


def test_a_context_with_certificates(folder: Path) -> None:
    key = add_context(folder, "far", Host="tcp://far:2376", SkipTLSVerify=False)
    certificates = folder / "contexts" / "tls" / key / "docker"
    certificates.mkdir(parents=True)
    found = find("", "far")
    assert found.environment() == {
        "DOCKER_HOST": "tcp://far:2376",
        "DOCKER_CERT_PATH": str(certificates),
        "DOCKER_TLS_VERIFY": "1",
    }
    assert not found.local


def test_an_unknown_context_and_a_strange_address() -> None:
    with pytest.raises(PreconditionError, match="no Docker context named nowhere"):
        find("", "nowhere")
    with pytest.raises(PreconditionError, match="gopher://far is not an engine's address"):
        find("gopher://far", "")


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("unix:///run/docker.sock", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://far:2375", False),
        ("ssh://root@localhost", False),
    ],
)
def test_whether_its_ports_are_ours(url: str, local: bool) -> None:
    assert find(url, "").local is local


def test_ssh_is_asked_as_docker_asks_it() -> None:
    assert ssh("ssh://deploy@far:2222")[-6:] == ["-l", "deploy", "-p", "2222", "--", "far"]


def test_an_engine_that_is_not_there(tmp_path: Path) -> None:
    engine = Engine(find(f"unix://{tmp_path}/none.sock", ""))
    with pytest.raises(PreconditionError) as raised:
        engine.get("/containers/json")
    assert str(raised.value).splitlines() == [
        f"no Docker engine answers at unix://{tmp_path}/none.sock (host in shipit.yaml)",
        "no such file or directory",
        NEXT_STEP,
    ]
