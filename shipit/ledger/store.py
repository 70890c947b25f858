"""What the ledger asks of a store, and which store a URL names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from shipit.errors import UsageError


class Store(Protocol):
    """Objects by path (`log/000000000042.json`). Every call has a deadline of its own.

    All raise RemoteError (`temporary` when trying again may help), PreconditionError when the
    store cannot be reached or refuses the credentials, StoreError when it cannot do what is asked.
    """

    @property
    def name(self) -> str:
        """As the user would write it, for messages. Never holds a credential."""
        ...

    @property
    def vouched(self) -> bool:
        """Create-if-absent is known to hold here, as on a local disk or AWS's own S3."""
        ...

    def get(self, path: str) -> bytes | None:
        """The whole object, or None when there is none."""
        ...

    def get_many(self, paths: Sequence[str]) -> list[bytes | None]:
        """Several at once, in the order asked for."""
        ...

    def create(self, path: str, data: bytes) -> bool:
        """Write the object durably if there is none; False when there is one already."""
        ...

    def put(self, path: str, data: bytes) -> None:
        """Write or replace. Readers see the old object or the new one, never a part."""
        ...

    def delete(self, path: str) -> None:
        """Deleting what is not there is fine."""
        ...

    def list(self, folder: str) -> list[str]:
        """The names in a folder, sorted."""
        ...


def open_store(url: str, root: Path) -> Store:
    """A folder's path (relative to `root`), `memory://`, `s3://bucket/prefix`, `gs://bucket/prefix`.

    Nothing is created and nothing is contacted. Raises UsageError for another kind of URL.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        from shipit.ledger.folder import Folder

        return Folder(root / Path(url).expanduser())
    from shipit.ledger.bucket import OPENERS

    if scheme not in OPENERS:
        raise UsageError(
            f"ledger {url}: {scheme}:// is no store that shipit knows",
            next_step="write a folder, s3://bucket/prefix, gs://bucket/prefix or memory://",
        )
    return OPENERS[scheme](url)
