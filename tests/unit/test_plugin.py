from pathlib import Path

import pytest

from shipit import process


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(process, "_PLUGIN_FOLDERS", (str(tmp_path / "system"),))
    return tmp_path


def install(folder: Path, mode: int = 0o755) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "docker-buildx"
    path.touch()
    path.chmod(mode)
    return str(path)


def test_the_users_plugin_goes_before_the_systems(config: Path) -> None:
    system = install(config / "system")
    assert process.plugin("docker-buildx") == system
    own = install(config / "cli-plugins")
    assert process.plugin("docker-buildx") == own


def test_folders_that_dockers_configuration_names_go_first(config: Path) -> None:
    install(config / "cli-plugins")
    extra = install(config / "homebrew")
    text = f'{{"auths": {{}}, "cliPluginsExtraDirs": ["{config}/homebrew"]}}'
    (config / "config.json").write_text(text)
    assert process.plugin("docker-buildx") == extra


@pytest.mark.parametrize("text", ["{", '{"cliPluginsExtraDirs": 1}', "{}"])
def test_a_configuration_that_names_none_is_passed_over(config: Path, text: str) -> None:
    (config / "config.json").write_text(text)
    own = install(config / "cli-plugins")
    assert process.plugin("docker-buildx") == own


def test_what_cannot_be_run_is_no_plugin(config: Path) -> None:
    install(config / "cli-plugins", mode=0o644)
    assert process.plugin("docker-buildx") == ""
