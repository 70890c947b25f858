"""Where Pulumi's state is: the same place for shipit, for Pulumi, and for `pulumi` by hand."""

import sys
from pathlib import Path

import pytest

from shipit.errors import PreconditionError
from shipit.provision.home import Home, home

ROOT = Path("/shop")
STACKS = ROOT / "stacks"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of the test")
    monkeypatch.setenv("HOME", "/home/ada")


def named(url: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PULUMI_BACKEND_URL", url)
    return home("", ROOT, STACKS)


def test_beside_a_ledger_on_this_machine() -> None:
    found = home("", ROOT, STACKS)
    assert (found.url, found.store) == ("file:///shop/.shipit/pulumi", "/shop/.shipit/pulumi")
    assert found.environment["PULUMI_BACKEND_URL"] == found.url
    assert not found.in_the_ledgers_bucket


@pytest.mark.parametrize("ledger", ["s3://acme-shipit/shop", "gs://acme-shipit/shop/"])
def test_in_the_ledgers_bucket(ledger: str) -> None:
    found = home(ledger, ROOT, STACKS)
    assert found.url == found.store == f"{ledger.rstrip('/')}/pulumi"
    assert found.in_the_ledgers_bucket
    assert found.folder is None


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("file://~", "/home/ada"),
        ("file://~/state", "/home/ada/state"),
        ("file://~//state", "/home/ada/state"),
        ("file://./state", "/shop/stacks/state"),
        ("file://../state", "/shop/state"),
        ("file:///var/state", "/var/state"),
        ("file:///var/state?no_tmp_dir=true", "/var/state"),
        ("file:///var/my%20state", "/var/my state"),
    ],
)
def test_a_folder_is_where_pulumi_reads_it(
    url: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pkg/backend/diy, massageBlobPath: `~` is home, the rest is as from the project's folder."""
    found = named(url, monkeypatch)
    assert found.store == folder
    assert found.folder == Path(folder)
    assert found.url.startswith("file:///")
    assert found.url.partition("?")[2] == url.partition("?")[2]


def test_a_folder_with_a_blank_in_its_name_is_one_folder_for_both() -> None:
    found = home("", Path("/my shop"), STACKS)
    assert (found.url, found.store) == (
        "file:///my%20shop/.shipit/pulumi",
        "/my shop/.shipit/pulumi",
    )
    assert found.setting == "PULUMI_BACKEND_URL=file:///my%20shop/.shipit/pulumi "


def test_nothing_is_made_by_asking(tmp_path: Path) -> None:
    home("", tmp_path, tmp_path / "stacks")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("s3://acme/pulumi", "s3://acme/pulumi"),
        ("gs://acme/pulumi", "gs://acme/pulumi"),
        ("s3://acme/pulumi?endpoint=minio.example.com&profile=acme", ""),
        ("https://api.pulumi.com", ""),
        ("azblob://acme", ""),
    ],
)
def test_only_what_shipit_reaches_as_pulumi_does_is_looked_into(
    url: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = named(url, monkeypatch)
    assert (found.url, found.store) == (url, store)
    assert not found.in_the_ledgers_bucket
    assert found.setting == "", "the shell has it already, and it may hold a password"


def test_programs_run_in_shipits_own_python_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PULUMI_PYTHON_CMD", raising=False)
    assert Home("file:///state").environment["PULUMI_PYTHON_CMD"] == sys.executable
    monkeypatch.setenv("PULUMI_PYTHON_CMD", "python3.13")
    assert Home("file:///state").environment["PULUMI_PYTHON_CMD"] == "python3.13"


def test_a_ledger_in_memory_keeps_no_state() -> None:
    with pytest.raises(PreconditionError, match="memory:// keeps nothing"):
        home("memory://", ROOT, STACKS)


@pytest.mark.parametrize(
    "url", ["", "file:///var/state", "s3://acme/pulumi", "s3://acme?profile=x"]
)
def test_something_protects_the_secrets(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", url)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    with pytest.raises(PreconditionError, match="nothing protects"):
        home("", ROOT, STACKS)
    assert home("", ROOT, STACKS, "awskms://alias/shipit").secrets == "awskms://alias/shipit"
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/run/secrets/pulumi")
    home("", ROOT, STACKS)


def test_a_service_protects_them_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    assert named("https://api.pulumi.com", monkeypatch).secrets == ""
