"""What buildx is lent: the user's own docker folder, with one entry more, for so long."""

import base64
import json
import stat
from pathlib import Path

import pytest

from shipit.registry.credentials import Credentials
from shipit.registry.docker_config import DockerConfig
from shipit.registry.keychain import Chain
from shipit.registry.lending import lend

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"


class Known:
    name = "ECR"

    def __init__(self, source: str = "ECR (eu-west-1)") -> None:
        self.source = source

    def resolve(self, registry: str) -> Credentials | None:
        return Credentials.basic("AWS", "token", self.source)

    def reason(self, registry: str) -> str:
        return ""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's ~/.docker, with a plugin and a context."""
    folder = tmp_path / "docker"
    (folder / "cli-plugins").mkdir(parents=True)
    (folder / "cli-plugins" / "docker-buildx").touch()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def test_the_entry_is_added_to_what_the_user_has(own: Path) -> None:
    theirs = {
        "auths": {"ghcr.io": {"auth": "eDp5"}},
        "credsStore": "desktop",
        "credHelpers": {"gcr.io": "gcloud"},
        "currentContext": "remote",
    }
    (own / "config.json").write_text(json.dumps(theirs))

    with lend(Chain([Known()]), HOST) as environment:
        folder = Path(environment["DOCKER_CONFIG"])
        config = json.loads((folder / "config.json").read_text())
        assert (folder / "cli-plugins" / "docker-buildx").exists()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
        found = DockerConfig(folder).resolve(HOST)

    assert config["auths"]["ghcr.io"] == {"auth": "eDp5"}
    assert base64.b64decode(config["auths"][HOST]["auth"]) == b"AWS:token"
    assert config["credHelpers"] == {"gcr.io": "gcloud", HOST: ""}
    assert (config["credsStore"], config["currentContext"]) == ("desktop", "remote")
    assert not folder.exists()
    assert json.loads((own / "config.json").read_text()) == theirs
    assert (own / "cli-plugins" / "docker-buildx").exists()
    assert found is not None
    assert found.password.reveal() == "token"


@pytest.mark.parametrize("content", [None, "", "{", "[]"])
def test_a_user_without_a_file_that_can_be_read(own: Path, content: str | None) -> None:
    if content is not None:
        (own / "config.json").write_text(content)

    with lend(Chain([Known()]), "docker.io") as environment:
        config = json.loads((Path(environment["DOCKER_CONFIG"]) / "config.json").read_text())
    assert list(config["auths"]) == ["https://index.docker.io/v1/"]


def test_what_docker_knows_itself_is_not_lent(own: Path) -> None:
    with lend(Chain([Known(f"{DockerConfig.name} (file)")]), HOST) as environment:
        assert environment == {}
    with lend(Chain([]), HOST) as environment:
        assert environment == {}
