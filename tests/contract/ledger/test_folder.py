"""What only a folder can get wrong: leftovers, the order of syncs, lost answers of a link."""

import os
from pathlib import Path

import pytest

from shipit.errors import PreconditionError, StoreError
from shipit.ledger import Ledger
from shipit.ledger.folder import Folder
from tests.fakes.facts import commit, held

FIRST = "log/000000000001.json"


def test_what_a_killed_writer_leaves_behind_is_not_read(tmp_path: Path) -> None:
    ledger = Ledger.open("", root=tmp_path)
    commit(ledger, held("dev"))
    folder = tmp_path / ".shipit" / "ledger"
    (folder / "log" / ".000000000002.json.77-1-0-abcd").write_bytes(b'{"number":2,"at"')
    (folder / "state" / ".000000000009.json.77-1-0-abcd").write_bytes(b"{")

    again = Ledger.open("", root=tmp_path)
    assert again.read().number == 1
    assert again.store.list("state") == ["000000000001.json"]
    assert commit(again, held("qa")).number == 2


def test_a_writer_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    store.create(FIRST, b"one")
    store.create(FIRST, b"two")
    store.put(FIRST, b"three")

    assert list((tmp_path / "log").iterdir()) == [tmp_path / FIRST]


def test_the_bytes_are_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the name is before the writer goes on."""
    done: list[str] = []
    target = tmp_path / FIRST
    real_sync, real_link = os.fsync, Path.hardlink_to

    def sync(handle: int) -> None:
        synced = Path(f"/proc/self/fd/{handle}").readlink()
        done.append(f"{'file' if synced.is_file() else synced} synced")
        real_sync(handle)

    def link(self: Path, source: Path) -> None:
        done.append(f"{self} linked")
        real_link(self, source)

    target.parent.mkdir()
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "hardlink_to", link)
    Folder(tmp_path).create(FIRST, b"one")

    assert done == ["file synced", f"{target} linked", f"{target.parent} synced"]


def test_new_folders_are_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def sync(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real(handle)

    monkeypatch.setattr(os, "fsync", sync)
    Folder(tmp_path / "a" / "b").create(FIRST, b"one")

    folders = [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")]
    assert set(folders) <= set(synced)


@pytest.mark.parametrize("landed", [True, False])
def test_a_link_whose_answer_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, landed: bool
) -> None:
    """NFS sends the request again and is told that the name exists: it may be our own."""
    real = Path.hardlink_to

    def link(self: Path, source: Path) -> None:
        if landed:
            real(self, source)
        else:
            self.write_bytes(b"somebody else's")
        raise FileExistsError(self)

    monkeypatch.setattr(Path, "hardlink_to", link)

    assert Folder(tmp_path).create(FIRST, b"mine") is landed


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("hello")
    ledger = Ledger.open("notes", root=tmp_path)

    with pytest.raises(StoreError, match="notes"):
        commit(ledger, held("dev"))


def test_a_folder_of_somebody_else_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)

    with pytest.raises(PreconditionError) as refused:
        Ledger.open("", root=tmp_path).read()
    assert "may not be read" in refused.value.what
    assert str(tmp_path) in refused.value.what


def test_a_home_folder_is_meant_by_its_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert Ledger.open("~/ledger", root=Path("/elsewhere")).name == str(tmp_path / "ledger")
    assert Ledger.open("ledger", root=tmp_path).name == str(tmp_path / "ledger")


def test_looking_makes_nothing(tmp_path: Path) -> None:
    ledger = Ledger.open("", root=tmp_path)

    assert ledger.read().number == 0
    assert list(ledger.history()) == []
    assert ledger.commit(lambda _: ()) is None
    assert list(tmp_path.iterdir()) == []
