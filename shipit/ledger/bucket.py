"""A store in a bucket (S3, GCS) or in memory, through obstore."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from random import uniform
from typing import TYPE_CHECKING, Any

from shipit.errors import RemoteError, ShipitError
from shipit.ledger.answers import missing_bucket, status_of, translated

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_READERS = 16  # requests at once
_CONFLICTS = 8  # answers 409 in a row: S3 says it when two conditional writes meet
_PAUSE = 0.1  # seconds at most between those


class Bucket:
    """`connect` makes obstore's store, when the first object is asked for."""

    def __init__(self, connect: Callable[[], "ObjectStore"], name: str, *, vouched: bool) -> None:
        self._connect = connect
        self._reached = False
        self.name = name
        self.vouched = vouched

    def get(self, path: str) -> bytes | None:
        import obstore

        with self._asking("GET", path):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except FileNotFoundError as error:
                if missing_bucket(error):
                    raise
                return None

    def get_many(self, paths: Sequence[str]) -> list[bytes | None]:
        if len(paths) < 2:
            return [self.get(path) for path in paths]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(len(paths), _READERS)) as readers:
            return list(readers.map(self.get, paths))

    def create(self, path: str, data: bytes) -> bool:
        """412 is "there is one"; 409 is "try again", although obstore calls both AlreadyExists
        (S3 User Guide, "Conditional write behavior"). 403 is "there is one" too, of a bucket that
        lets nobody replace it: Cloud Storage may say that first."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PermissionDeniedError

        for _ in range(_CONFLICTS):
            with self._asking("PUT", path):
                try:
                    obstore.put(self._store, path, data, mode="create", use_multipart=False)
                except AlreadyExistsError as error:
                    if status_of(error) != 409:
                        return False
                except PermissionDeniedError:
                    with suppress(ShipitError):
                        if self.get(path) is not None:
                            return False
                    raise
                else:
                    return True
            time.sleep(uniform(0, _PAUSE))  # noqa: S311  jitter, not a secret
        raise RemoteError(
            f"{self.name} did not write {path}",
            f"{_CONFLICTS} times in a row it said that another write was under way (409)",
            "try again",
            request=f"PUT {path}",
            status=409,
            temporary=True,
        )

    def put(self, path: str, data: bytes) -> None:
        import obstore

        with self._asking("PUT", path):
            obstore.put(self._store, path, data, use_multipart=False)

    def delete(self, path: str) -> None:
        import obstore

        with self._asking("DELETE", path):
            try:
                obstore.delete(self._store, path)
            except FileNotFoundError as error:
                if missing_bucket(error):
                    raise

    def list(self, folder: str) -> list[str]:
        import obstore

        with self._asking("LIST", folder):
            found = obstore.list(self._store, f"{folder}/").collect()
            return sorted(entry["path"].rpartition("/")[2] for entry in found)

    @cached_property
    def _store(self) -> "ObjectStore":
        return self._connect()

    @contextmanager
    def _asking(self, method: str, path: str) -> Iterator[None]:
        """Until the bucket has answered once, nothing can have been changed in it."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            raise translated(
                error, self.name, f"{method} {path}", first=not self._reached
            ) from None
        self._reached = True


def client_options(**more: Any) -> dict[str, Any]:
    """A deadline for every request, and a limit to trying again."""
    from datetime import timedelta

    limits = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=15)}
    return {
        "client_options": {**limits, **more},
        "retry_config": {
            "max_retries": 4,
            "retry_timeout": timedelta(seconds=30),
            "backoff": {
                "init_backoff": timedelta(milliseconds=50),
                "max_backoff": timedelta(seconds=2),
                "base": 2,
            },
        },
    }


def split(url: str) -> tuple[str, str]:
    """Bucket and prefix."""
    bucket, _, prefix = url.partition("://")[2].partition("/")
    return bucket, prefix.strip("/")


def _memory(url: str) -> Bucket:
    from obstore.store import MemoryStore

    return Bucket(MemoryStore, url, vouched=True)


def _s3(url: str) -> Bucket:
    from shipit.ledger.s3 import open_bucket

    return open_bucket(url)


def _gcs(url: str) -> Bucket:
    from shipit.ledger.gcs import open_bucket

    return open_bucket(url)


OPENERS: dict[str, Callable[[str], Bucket]] = {"memory": _memory, "s3": _s3, "gs": _gcs}
