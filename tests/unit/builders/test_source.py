import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shipit.builders import source
from shipit.model.release import Source


@pytest.fixture(autouse=True)
def own_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ada@example.com")
        monkeypatch.setenv(f"GIT_{who}_DATE", "2026-01-02T03:04:05Z")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


def git(folder: Any, *words: Any) -> Any:
    done = subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Any:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "compose.yaml").write_text("services: {}\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "Open the shop\n\nAt last.")
    return tmp_path


def test_a_clean_checkout(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://ada:hunter2@example.com/acme/shop.git")
    assert source.read(repository / "shop") == Source(
        commit=git(repository, "rev-parse", "HEAD"),
        dirty=False,
        branch="main",
        subject="Open the shop",
        url="https://example.com/acme/shop.git",
        committed_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("changed", "dirty"),
    [
        ("shop/compose.yaml", True),
        ("shop/untracked", True),
        ("shop/ignored", False),
        ("outside", False),
        ("shop/.shipit/ledger/log/000000000001.json", False),
        ("shop/inner/.shipit/registry", False),
    ],
)
def test_dirty_speaks_of_the_folder_alone(repository: Path, changed: Any, dirty: Any) -> None:
    path = repository / changed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("changed")
    assert source.read(repository / "shop").dirty is dirty


def test_staged_and_deleted_files_are_changes(repository: Path) -> None:
    (repository / "shop" / "compose.yaml").unlink()
    assert source.read(repository / "shop").dirty
    git(repository, "add", "-A")
    assert source.read(repository / "shop").dirty


def test_a_ci_checkout_has_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    found = source.read(repository)
    assert found.commit
    assert found.branch == ""


def test_outside_a_repository_and_before_the_first_commit_there_is_no_source(
    tmp_path: Path,
) -> None:
    assert source.read(tmp_path) == Source()
    git(tmp_path, "init", "-q")
    assert source.read(tmp_path) == Source()


def test_without_git_there_is_no_source(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert source.read(repository) == Source()


def test_a_hooks_environment_does_not_lead_elsewhere(
    repository: Path, tmp_path_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-q")
    git(other, "commit", "-q", "--allow-empty", "-m", "Another repository")
    expected = source.read(repository)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert source.read(repository) == expected


def test_reading_does_not_touch_the_index(repository: Path) -> None:
    index = repository / ".git" / "index"
    (repository / "shop" / "compose.yaml").touch()
    before = index.read_bytes()
    source.read(repository)
    assert index.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://token@example.com/acme/shop.git", "https://example.com/acme/shop.git"),
        ("https://a:b@example.com:8443/shop?private_token=x", "https://example.com:8443/shop"),
        ("git@github.com:acme/shop.git", "git@github.com:acme/shop.git"),
        ("ssh://git@example.com/acme/shop.git", "ssh://git@example.com/acme/shop.git"),
        ("ssh://ada:b@example.com/shop.git", "ssh://example.com/shop.git"),
        ("user:secret@example.com:shop.git", "example.com:shop.git"),
        ("/srv/git/shop.git", "/srv/git/shop.git"),
    ],
)
def test_a_remotes_address_is_shown_without_credentials(url: Any, shown: Any) -> None:
    assert source.without_credentials(url) == shown
