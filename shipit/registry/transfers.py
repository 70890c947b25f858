"""One blob from a registry to another: not at all where it is there, mounted where that is to be
had, else in one stream that is taken up again where it broke."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from threading import Event

import msgspec

from shipit.errors import RemoteError
from shipit.model.digest import Digest
from shipit.registry import address, blobs
from shipit.registry.downloads import Download, WrongContentError
from shipit.registry.manifests import Descriptor
from shipit.registry.retry import Patience, persist
from shipit.registry.transport import Transport

# What registries answer to the rest of an upload that does not fit what they kept of it.
_DOES_NOT_FIT = (400, 416)
_STILL_WRITING = 409
_STUCK = 2  # tries of the rest that bring nothing: then all of it goes into a new upload


class State(StrEnum):
    WAITING = "waiting"
    PRESENT = "present"
    MOUNTED = "mounted"
    SENDING = "sending"
    SENT = "sent"


class Transfer(msgspec.Struct, frozen=True):
    """How a blob or manifest stands; `done` of `size` bytes."""

    digest: Digest
    state: State
    done: int
    size: int


Report = Callable[[Transfer], None]


def silent(_: Transfer) -> None:
    """For who does not want to know."""


class AbandonedError(Exception):
    """Another blob has failed, or somebody gave up: what is in flight ends at its next piece."""


class Courier:
    """Brings blobs from one repository to another; shared by threads."""

    def __init__(self, transport: Transport, source: str, destination: str, report: Report) -> None:
        self._transport = transport
        self._source, self._destination = source, destination
        self._report = report
        self._abandoned = Event()
        registry, self._source_path = address.split(source)
        self._is_same_registry = registry == address.split(destination)[0]

    def abandon(self) -> None:
        self._abandoned.set()

    def bring(self, blob: Descriptor) -> State:
        """How it came to be there. Raises RemoteError, PreconditionError."""
        state = persist(lambda: self._bring(blob))
        self._report(Transfer(blob.digest, state, blob.size, blob.size))
        return state

    def _bring(self, blob: Descriptor) -> State:
        if self._abandoned.is_set():
            raise AbandonedError
        session = ""
        if self._is_same_registry:  # a mount is as cheap as the question whether it is there
            session = blobs.mount(
                self._transport, self._destination, blob.digest, self._source_path
            )
            if not session:
                return State.MOUNTED
        if blobs.head(self._transport, self._destination, blob.digest) is not None:
            return State.PRESENT
        self._send(blob, session or blobs.begin(self._transport, self._destination))
        return State.SENT

    def _send(self, blob: Descriptor, session: str) -> None:
        """What the registry kept of an upload that broke is not sent again, where it tells."""
        download = Download(self._transport, self._source, blob.digest, blob.size)
        patience, start, stuck = Patience(), 0, 0
        while True:
            try:
                blobs.put(
                    self._transport,
                    self._destination,
                    blob.digest,
                    blob.size,
                    lambda: self._counted(download, blob, start),  # noqa: B023 - called at once
                    session=session,
                    start=start,
                )
            except WrongContentError:
                raise  # what the registry kept of it is wrong too
            except RemoteError as error:
                if not _may_go_on(error, start):
                    raise
                kept, session = self._kept(session, error)
                if not 0 < kept <= blob.size:
                    raise
                stuck = 0 if kept > start else stuck + 1
                if stuck == _STUCK:
                    raise
                patience.spend(error)
                if not stuck:
                    patience.progressed()
                start = kept
            else:
                return

    def _kept(self, session: str, error: RemoteError) -> tuple[int, str]:
        try:
            return blobs.received(self._transport, self._destination, session)
        except RemoteError:
            raise error from None

    def _counted(self, download: Download, blob: Descriptor, start: int) -> Iterator[memoryview]:
        done = start
        for piece in download.pieces(start):
            if self._abandoned.is_set():
                raise AbandonedError
            yield piece
            done += len(piece)
            self._report(Transfer(blob.digest, State.SENDING, done, blob.size))


def _may_go_on(error: RemoteError, start: int) -> bool:
    """Whether the rest of the upload may still be sent; as a mark on the error, whether all of it
    may, in a new one."""
    resumed = start > 0
    error.temporary |= resumed and error.status in (*_DOES_NOT_FIT, _STILL_WRITING)
    if resumed and error.status == _STILL_WRITING:
        return True
    return error.temporary and not error.status
