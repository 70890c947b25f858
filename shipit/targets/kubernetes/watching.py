"""A watch that outlives its connections: what there is, then every change, until it is closed.

kubernetes.io, "Kubernetes API Concepts", Efficient detection of changes: a list gives a version
from which a watch goes on; bookmarks move it; 410 Gone says that it is too old, and the list is
read again.
"""

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar

import msgspec

from shipit.errors import RemoteError
from shipit.targets.kubernetes import paging
from shipit.targets.kubernetes.connection import Call, Connection, Query, Stream
from shipit.targets.kubernetes.paging import Page
from shipit.targets.kubernetes.refusals import GONE, decoded, refused, unreached

T = TypeVar("T")
_SILENCE = 90.0  # seconds: the server sends a bookmark each minute, if the kind has news
_WATCHED = 300  # seconds after which the server ends a watch; apiserver, --min-request-timeout
_PAUSE, _LONGEST_PAUSE = 0.2, 3.0  # seconds before it is taken up again, before jitter
_PATIENCE = 180.0  # seconds in which a server that was there may be away
_SOON = 1.0  # seconds: a watch that ends sooner is not asked for again at once


class Change(msgspec.Struct, Generic[T], frozen=True):
    """`object` is None for SYNCED (what there was has been told, or a connection that broke is
    taken up again) and AWAY (it broke; `why` says how). DELETED has what was known last."""

    type: str
    object: T | None = None
    why: str = ""


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Identity(msgspec.Struct, frozen=True):
    uid: str = ""
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class _Metadata(msgspec.Struct, frozen=True):
    metadata: _Identity = _Identity()


class _Told(msgspec.Struct, frozen=True):
    """An ERROR event's Status."""

    code: int = 0


_TOLD, _METADATA = msgspec.json.Decoder(_Told), msgspec.json.Decoder(_Metadata)


class Watch(Generic[T]):
    """`of` is what objects are decoded to: dict, or a Struct of the fields that are needed.
    `since` is the version of a list that was read before, and `known` what was in it, by uid."""

    def __init__(
        self,
        connection: Connection,
        path: str,
        of: type[T],
        query: Query,
        *,
        since: str = "",
        known: Mapping[str, T] | None = None,
    ) -> None:
        self._connection, self._path, self._query = connection, path, tuple(query)
        self._page = msgspec.json.Decoder(Page[of])  # type: ignore[valid-type]
        self._object = msgspec.json.Decoder(of)
        self._uids = msgspec.json.Decoder(Page[_Metadata])
        self._version = since
        self._known = dict(known or {})
        self._stream: Stream | None = None
        self._away = False
        self.closed = False

    def close(self) -> None:
        """From any thread: whoever waits for the next change is told that there is none."""
        self.closed = True
        if self._stream:
            self._stream.close()

    def changes(self) -> Iterator[Change[T]]:
        """Without an end until it is closed. Raises RemoteError when the server refuses, or stays
        away for longer than any restart takes."""
        lost, pause = float("inf"), _PAUSE
        while not self.closed:
            began, listed = self._connection.clock(), not self._version
            try:
                if listed:
                    yield from self._listed()
                    self._away = False
                    yield Change("SYNCED")
                yield from self._watched()
            except RemoteError as error:
                now = self._connection.clock()
                lost = min(lost, began) if self._away else now
                if error.status != GONE and (not error.temporary or now - lost > _PATIENCE):
                    raise
                if now - began > _LONGEST_PAUSE:  # it was a good one
                    pause = _PAUSE
                self._away = True
                yield Change("AWAY", why=error.why)
                if error.status == GONE:
                    self._version = ""
                if error.status != GONE or listed:  # what was read just now is no old version
                    self._rest(max(pause, error.retry_after))
                    pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                pause = _PAUSE
                if self._connection.clock() - began < _SOON:
                    self._rest(pause)

    def _rest(self, seconds: float) -> None:
        if not self.closed:
            self._connection.pause(seconds * random.uniform(1, 1.5))  # noqa: S311 - jitter

    def _listed(self) -> Iterator[Change[T]]:
        """What is not there any more, since it was seen; then what there is."""
        before, (self._known, self._version) = self._known, self._read_list()
        for uid, one in before.items():
            if uid not in self._known:
                yield Change("DELETED", one)
        for uid, one in self._known.items():
            yield Change("MODIFIED" if uid in before else "ADDED", one)

    def _read_list(self) -> tuple[dict[str, T], str]:
        """By uid, and its version."""
        found = paging.pages(self._connection, self._path, self._query, self._page, self._uids_of)
        known = {
            one.metadata.uid: item
            for page, uids in found
            for one, item in zip(uids, page.items, strict=True)
        }
        return known, found[-1][0].metadata.resource_version

    def _uids_of(self, body: bytes, title: str) -> list[_Metadata]:
        return decoded(body, self._uids, title).items

    def _watched(self) -> Iterator[Change[T]]:
        query = (
            *self._query,
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", self._version),
            ("timeoutSeconds", str(int(_WATCHED * random.uniform(1, 1.2)))),  # noqa: S311 - jitter
        )
        call = Call("GET", self._path, query, silence=_SILENCE, patient=False)
        self._stream = self._connection.open(call)
        try:
            if self.closed:
                return
            if self._away:
                self._away = False
                yield Change("SYNCED")
            for line in _lines(self._stream):
                change = self._read(line)
                if change:
                    yield change
        finally:
            self._stream.close()

    def _read(self, line: bytes) -> Change[T] | None:
        title = f"GET {self._path}?watch"
        try:
            event = msgspec.json.decode(line, type=_Event)
        except msgspec.DecodeError:  # what it told is not known: it is asked for again
            access = self._connection.access
            said = "the connection ended in the middle of a line"
            raise unreached(title, access.name, said, access.unreached) from None
        if event.type == "ERROR":
            status = decoded(bytes(event.object), _TOLD, title)
            raise refused(status.code or 500, {}, bytes(event.object), title)
        identity = decoded(bytes(event.object), _METADATA, title).metadata
        if event.type == "BOOKMARK":
            self._version = identity.resource_version or self._version
            return None
        one = decoded(bytes(event.object), self._object, title)
        self._version = identity.resource_version or self._version
        if event.type == "DELETED":
            self._known.pop(identity.uid, None)
        else:
            self._known[identity.uid] = one
        return Change(event.type, one)


def _lines(stream: Stream) -> Iterator[bytes]:
    """They end with a silence, too: of a kind that nobody changes there is no bookmark, so that
    the server is away only if it cannot be asked again."""
    try:
        yield from stream.lines()
    except RemoteError:
        if not stream.silent:
            raise


@contextmanager
def limited(watch: Watch[T], seconds: float) -> Iterator[Iterator[Change[T]]]:
    """Its changes, for so many seconds at most; after the block it is closed."""
    late = threading.Timer(seconds, watch.close)
    late.daemon = True
    late.start()
    try:
        yield watch.changes()
    finally:
        late.cancel()
        watch.close()
