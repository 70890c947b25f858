"""A store in a bucket (S3, GCS) or in memory, through obstore."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shipit.errors import RemoteError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_READERS = 16  # requests at once


class Bucket:
    def __init__(self, store: "ObjectStore", name: str, *, vouched: bool) -> None:
        self._store = store
        self.name = name
        self.vouched = vouched

    def get(self, path: str) -> bytes | None:
        import obstore

        with self._explained("GET", path):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except FileNotFoundError:
                return None

    def get_many(self, paths: Sequence[str]) -> list[bytes | None]:
        if len(paths) < 2:
            return [self.get(path) for path in paths]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(len(paths), _READERS)) as readers:
            return list(readers.map(self.get, paths))

    def create(self, path: str, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._explained("PUT", path):
            try:
                obstore.put(self._store, path, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

    def put(self, path: str, data: bytes) -> None:
        import obstore

        with self._explained("PUT", path):
            obstore.put(self._store, path, data, use_multipart=False)

    def delete(self, path: str) -> None:
        import obstore

        with self._explained("DELETE", path):
            try:
                obstore.delete(self._store, path)
            except FileNotFoundError:
                return

    def list(self, folder: str) -> list[str]:
        import obstore

        with self._explained("LIST", folder):
            found = obstore.list(self._store, f"{folder}/").collect()
            return sorted(entry["path"].rpartition("/")[2] for entry in found)

    @contextmanager
    def _explained(self, method: str, path: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except BaseError as error:
            raise RemoteError(f"{method} {path} in {self.name} failed", str(error)) from None


def _memory(url: str) -> Bucket:
    from obstore.store import MemoryStore

    return Bucket(MemoryStore(), url, vouched=True)


OPENERS = {"memory": _memory}
