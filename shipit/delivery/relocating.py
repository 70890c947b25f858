"""A stack whose state belongs in the ledger's bucket, and may be on this machine still.

Of an account that is how it begins: the bucket that is to keep the state of this stack is made by
this stack. Until it is there, the state is on this machine, and then it is moved into it. Of an
environment it is so when the ledger was on this machine before.
"""

import time
from collections.abc import Generator
from random import uniform
from typing import TYPE_CHECKING

from shipit.delivery.provisioning import Provisioning
from shipit.errors import NoBucketError, PreconditionError, RemoteError, ShipitError
from shipit.ledger.store import open_store
from shipit.model.progress import Progress
from shipit.model.stack import Provisioned

if TYPE_CHECKING:
    from shipit.provision.stack import Stack

_APPEARS = 30.0  # seconds that a cloud may take to show a bucket that it has made
_LOOK = 1.0  # seconds between two looks, on average


class Relocating(Provisioning):
    """`stack` is where the state is now: `there`, in the ledger's bucket, or `here`."""

    here: "Stack"
    there: "Stack"

    def begin(
        self, *, refresh: bool = False, leaving: bool = False
    ) -> Generator[Progress, None, None]:
        self.stack.require()
        if self.environment or self._has_bucket():
            yield from self._placed()
        else:
            self.stack = self.here
            bucket = self.there.home.url
            yield self._said(
                f"{bucket} is not there yet: until it is, the state is on this machine"
            )
        yield from super().begin(refresh=refresh, leaving=leaving)

    def _placed(self) -> Generator[Progress, None, None]:
        """Raises NoBucketError: an environment's stack makes none."""
        from shipit.provision import moving

        self._unlocked(self.there)
        if not self.here.is_kept_here:
            return
        self._unlocked(self.here)
        self.stack = moving.current(self.here, self.there)
        if self.stack is self.here:
            yield self._said(
                f"the state is in {self.here.home.store}: what is applied moves it to"
                f" {self.there.home.url}"
            )

    def up(self, *, refresh: bool = False) -> Generator[Progress, None, Provisioned]:
        """Raises RemoteError also when no bucket is there in the end."""
        if self.stack is self.there and not self.here.is_kept_here:
            return (yield from super().up(refresh=refresh))
        from shipit.provision import moving

        with moving.alone(self.here):
            self._unlocked(self.stack)
            if refresh:
                yield from self._refreshed()
            yield from self._moved()
            done = yield from self._done()
            return (yield from self._settled(done))

    def _done(self) -> Generator[Progress, None, Provisioned]:
        """Also where it fails, what was made is on record where the next machine looks for it."""
        try:
            return (yield from self.stack.up())
        except ShipitError:
            try:
                yield from self._moved()
            except ShipitError as error:
                yield self._said(f"its state stays in {self.here.home.store}: {error.what}")
            raise

    def _settled(self, done: Provisioned) -> Generator[Progress, None, Provisioned]:
        """What is found now is not found before anything was changed."""
        try:
            self._wait_for_bucket()
            yield from self._moved()
            return self._recorded(done)
        except PreconditionError as error:
            raise RemoteError(
                f"stack {self.stack.name} is up, and {error.what}",
                error.why,
                f"{error.next_step}; then run `{self._verb}` again",
            ) from None

    def _moved(self) -> Generator[Progress, None, None]:
        """As soon as there is a bucket."""
        from shipit.provision import moving

        if self._has_bucket():
            self.stack = yield from moving.move(self.here, self.there)

    def _has_bucket(self) -> bool:
        store = open_store(self.there.home.store, self.project.root)
        try:
            store.list(self.there.locks)
        except NoBucketError:
            return False
        return True

    def _wait_for_bucket(self) -> None:
        until = time.monotonic() + _APPEARS
        while not self._has_bucket():
            if time.monotonic() > until:
                raise RemoteError(
                    f"stack {self.stack.name} is up, and {self.there.home.url} is not there",
                    f"{self.stack.folder.name}/ has made no bucket of that name: its state stays in"
                    f" {self.here.home.store}",
                    f"make the bucket, then run `{self._verb}` again",
                )
            time.sleep(uniform(0.5, 1.5) * _LOOK)  # noqa: S311 - jitter, not a secret
