"""Copies as runbooks: the registry's reports, from several threads, as one stream of progress."""

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from threading import Event

import msgspec

from shipit.errors import UsageError
from shipit.model.digest import Digest
from shipit.model.duration import format_duration
from shipit.model.image import Image, Reference
from shipit.model.progress import Mark, Progress, Stage
from shipit.registry.client import Client
from shipit.registry.copying import Copied
from shipit.registry.transfers import AbandonedError, Report, State, Transfer

_EVERY = 0.5  # seconds between two words about the same thing
_MINUTE = 60  # seconds; an estimate has no tenths of them
_WORTH_A_WORD = 1_000_000  # bytes: smaller layers are there before anybody has read their name

Say = Callable[[Mark, str, str], Progress]  # (mark, subject, message)
_ENDED = {State.SENT: "", State.MOUNTED: "mounted", State.PRESENT: "was there"}


class CopyResult(msgspec.Struct, frozen=True, tag="result", tag_field="event"):
    """`shipit copy`: where the image is now, and what had to be done for it. `bytes` are those of
    the blobs that were sent."""

    image: str
    digest: Digest
    tag: str
    manifests: int
    blobs: int
    mounted: int
    vouchers: int
    bytes: int
    seconds: float


def copy_image(
    client: Client, source: Reference, destination: Reference, *, move: bool, whole: bool
) -> Generator[Progress, None, CopyResult]:
    """From one repository to another by digest; the destination's tag, when it names one, last.

    Raises UsageError, PreconditionError, RemoteError.
    """
    if destination.digest is not None:
        raise UsageError(
            f"{destination} names a digest",
            "the bytes of the source decide which digest arrives",
            "name a repository, or a repository and a tag",
        )
    began = time.monotonic()
    image = _find(client, source)
    arrow = f"{source.repository} to {destination.repository}"
    yield _say(Mark.RUNNING, "", f"{image.digest.short} from {arrow}")
    copied = yield from followed(
        lambda report: client.copy(
            image,
            destination.repository,
            tag=destination.tag,
            move=move,
            whole=whole,
            on_progress=report,
        ),
        _say,
    )
    yield _say(Mark.DONE if copied.changed else Mark.SKIPPED, "", in_words(copied))
    return CopyResult(
        copied.image.reference,
        image.digest,
        destination.tag,
        copied.manifests,
        copied.blobs,
        copied.mounted,
        copied.vouchers,
        copied.bytes,
        round(time.monotonic() - began, 3),
    )


def _find(client: Client, source: Reference) -> Image:
    """A digest is taken at its word; a tag is asked for once."""
    if source.digest is not None:
        return Image(source.repository, source.digest)
    return Image(
        source.repository, client.get_manifest(source.repository, source.tag or "latest").digest
    )


def followed(run: Callable[[Report], Copied], say: Say) -> Generator[Progress, None, Copied]:
    """Run a copy in a thread of its own and tell how it goes: every layer that takes its time, and
    the whole with the bytes and the time that are left. Whoever stops listening stops the copy."""
    reports: SimpleQueue[Transfer | None] = SimpleQueue()
    given_up = Event()

    def report(transfer: Transfer) -> None:
        if given_up.is_set():
            raise AbandonedError
        reports.put(transfer)

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run, report)
        running.add_done_callback(lambda _: reports.put(None))
        tally = _Tally(say, time.monotonic)
        try:
            while (transfer := reports.get()) is not None:
                yield from tally.take(transfer)
        finally:
            given_up.set()
    return running.result()


class _Tally:
    """What is known of the blobs under way."""

    def __init__(self, say: Say, clock: Callable[[], float]) -> None:
        self._say, self._clock = say, clock
        self._began = self._told = clock()
        self._seen: dict[Digest, Transfer] = {}
        self._told_of: dict[Digest, float] = {}

    def take(self, transfer: Transfer) -> Iterator[Progress]:
        now = self._clock()
        self._seen[transfer.digest] = transfer
        if transfer.state is not State.WAITING and transfer.size >= _WORTH_A_WORD:
            yield from self._layer(transfer, now)
        if now - self._told >= _EVERY:
            self._told = now
            yield self._say(Mark.RUNNING, "", self._sum(now))

    def _layer(self, transfer: Transfer, now: float) -> Iterator[Progress]:
        subject = transfer.digest.short
        if transfer.state is not State.SENDING:
            said = _ENDED[transfer.state]
            mark = Mark.SKIPPED if transfer.state is State.PRESENT else Mark.DONE
            yield self._say(mark, subject, f"{size(transfer.size)} {said}".strip())
        elif now - self._told_of.setdefault(transfer.digest, now) >= _EVERY:
            self._told_of[transfer.digest] = now
            yield self._say(
                Mark.RUNNING, subject, f"{size(transfer.done)} of {size(transfer.size)}"
            )

    def _sum(self, now: float) -> str:
        done = sum(t.done for t in self._seen.values())
        whole = sum(t.size for t in self._seen.values())
        skipped = sum(
            t.size for t in self._seen.values() if t.state in (State.PRESENT, State.MOUNTED)
        )
        passed = done - skipped
        said = f"{size(done)} of {size(whole)}"
        if passed <= 0:
            return said
        left = max(round((whole - done) * (now - self._began) / passed), 1)
        time_left = format_duration(timedelta(seconds=left)) if left >= _MINUTE else f"{left}s"
        return f"{said}, {time_left} left"


def in_words(copied: Copied) -> str:
    """What was done, for the end of a stage."""
    if not copied.changed:
        return f"{copied.image.digest.short} was there, whole"
    parts = [f"{copied.image.digest.short}: {size(copied.bytes)} in {copied.blobs} blobs"]
    if copied.mounted:
        parts.append(f"{copied.mounted} mounted")
    if copied.vouchers:
        parts.append(f"{copied.vouchers} signatures and attestations")
    return ", ".join(parts)


def size(count: int) -> str:
    """Bytes for people, in powers of ten as registries' pages have them."""
    for unit, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= one:
            return f"{count / one:.1f} {unit}"
    return f"{count} B"


def _say(mark: Mark, subject: str, message: str) -> Progress:
    return Progress(
        stage=Stage.COPY, mark=mark, subject=subject, message=message, at=datetime.now(UTC)
    )
