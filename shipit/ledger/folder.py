"""A store in a local folder.

Not obstore's LocalStore: that one never calls fsync (object_store's `local.rs` stages a file and
links it), so a power cut may leave a name in the log whose bytes were never written. Here the bytes
are on the disk before the name is, which costs 0.5 ms, and reading needs no Rust runtime.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from shipit.errors import PreconditionError, StoreError

_NUMBERS = count()


class Folder:
    """Objects are files. A killed writer leaves at most a hidden file that nobody reads."""

    vouched = True  # link(2) fails when the name exists, on every POSIX file system

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        return str(self._path)

    def get(self, path: str) -> bytes | None:
        with self._explained(path):
            try:
                return (self._path / path).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def get_many(self, paths: Sequence[str]) -> list[bytes | None]:
        return [self.get(path) for path in paths]

    def create(self, path: str, data: bytes) -> bool:
        target = self._path / path
        with self._explained(path):
            if target.exists():
                return False
            with _staged(target, data, durable=True) as staged:
                created = _link(staged, target)
            if created:
                _sync_folder(target.parent)
            return created

    def put(self, path: str, data: bytes) -> None:
        target = self._path / path
        with self._explained(path), _staged(target, data, durable=False) as staged:
            staged.replace(target)

    def delete(self, path: str) -> None:
        with self._explained(path):
            (self._path / path).unlink(missing_ok=True)

    def list(self, folder: str) -> list[str]:
        with self._explained(folder):
            try:
                names = os.listdir(self._path / folder)  # noqa: PTH208  no Path for each name
            except (FileNotFoundError, NotADirectoryError):
                return []
            return sorted(name for name in names if not name.startswith("."))

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except PermissionError:
            raise PreconditionError(
                f"the ledger's {self._path / path} may not be read or written",
                "the folder belongs to somebody else",
                "give this user access to it, or name another folder under `ledger:`",
            ) from None
        except OSError as error:
            raise StoreError(f"the ledger in {self._path} failed", str(error)) from error


@contextmanager
def _staged(target: Path, data: bytes, *, durable: bool) -> Iterator[Path]:
    """A complete file beside `target`, gone at the end unless it was moved."""
    unique = f"{os.getpid()}-{threading.get_ident()}-{next(_NUMBERS)}-{os.urandom(4).hex()}"
    staged = target.with_name(f".{target.name}.{unique}")
    try:
        _write(staged, data, durable=durable)
    except FileNotFoundError:
        _make_folders(staged.parent)
        _write(staged, data, durable=durable)
    try:
        yield staged
    finally:
        with suppress(OSError):
            staged.unlink(missing_ok=True)


def _write(path: Path, data: bytes, *, durable: bool) -> None:
    with path.open("xb", buffering=0) as file:
        file.write(data)
        if durable:
            os.fsync(file.fileno())


def _link(staged: Path, target: Path) -> bool:
    try:
        target.hardlink_to(staged)
    except FileExistsError:
        # NFS repeats a request whose answer was lost and then sees its own link (open(2), O_EXCL)
        return staged.stat().st_nlink == 2
    return True


def _make_folders(path: Path) -> None:
    """With each new folder's name on the disk before anything is put in it."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for made in missing:
        _sync_folder(made.parent)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
