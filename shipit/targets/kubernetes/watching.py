"""A watch that outlives its connections: what there is, then every change, until it is closed.

kubernetes.io, "Kubernetes API Concepts", Efficient detection of changes: a list gives a version
from which a watch goes on; bookmarks move it; 410 Gone says that it is too old, and the list is
read again.
"""

import random
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

import msgspec

from shipit.errors import RemoteError
from shipit.targets.kubernetes.connection import Call, Connection, Query, Stream
from shipit.targets.kubernetes.refusals import GONE, refused

T = TypeVar("T")
_SILENCE = 90.0  # seconds: the server sends a bookmark each minute
_WATCHED = 300  # seconds after which the server ends a watch; apiserver, --min-request-timeout
_PAUSE, _LONGEST_PAUSE = 0.2, 3.0  # seconds before it is taken up again, before jitter
_PATIENCE = 180.0  # seconds in which a server that was there may be away
_SOON = 1.0  # seconds: a watch that ends sooner is not asked for again at once


class ListMeta(msgspec.Struct, frozen=True):
    resource_version: str = msgspec.field(default="", name="resourceVersion")
    more: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A list, or a part of one."""

    metadata: ListMeta = ListMeta()
    items: list[T] = []


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
            began = self._connection.clock()
            try:
                if not self._version:
                    yield from self._listed()
                    yield Change("SYNCED")
                yield from self._watched()
            except RemoteError as error:
                if error.status == GONE:
                    self._version = ""
                    continue
                lost = min(lost, began) if self._away else self._connection.clock()
                if not error.temporary or self._connection.clock() - lost > _PATIENCE:
                    raise
                self._away = True
                yield Change("AWAY", why=error.why)
                self._rest(max(pause, error.retry_after))
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                pause = _PAUSE
                if self._connection.clock() - began < _SOON:
                    self._rest(pause)

    def _rest(self, seconds: float) -> None:
        if not self.closed:
            self._connection.pause(seconds * random.uniform(0.7, 1.3))  # noqa: S311 - jitter

    def _listed(self) -> Iterator[Change[T]]:
        """What there is; and what is not there any more, since it was seen."""
        before, self._known = self._known, {}
        for body, identities in self._pages():
            page = self._page.decode(body)
            for identity, one in zip(identities, page.items, strict=True):
                self._known[identity.metadata.uid] = one
                seen = identity.metadata.uid in before
                yield Change("MODIFIED" if seen else "ADDED", one)
            self._version = page.metadata.resource_version
        for uid, one in before.items():
            if uid not in self._known:
                yield Change("DELETED", one)

    def _pages(self) -> Iterator[tuple[bytes, list[_Metadata]]]:
        more = ""
        while True:
            query = (*self._query, ("limit", "500"), *([("continue", more)] if more else []))
            try:
                body = self._connection.ask(Call("GET", self._path, query))
            except RemoteError as error:
                if error.status != GONE or not more:
                    raise
                more = ""
                continue
            page = self._uids.decode(body)
            yield body, page.items
            more = page.metadata.more
            if not more:
                return

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
            for line in self._stream.lines():
                change = self._read(line)
                if change:
                    yield change
        finally:
            self._stream.close()

    def _read(self, line: bytes) -> Change[T] | None:
        try:
            event = msgspec.json.decode(line, type=_Event)
        except msgspec.DecodeError:  # the connection ended in the middle of a line
            return None
        if event.type == "ERROR":
            status = msgspec.json.decode(event.object, type=_Told)
            raise refused(status.code, {}, bytes(event.object), f"GET {self._path}?watch")
        identity = msgspec.json.decode(event.object, type=_Metadata).metadata
        self._version = identity.resource_version or self._version
        if event.type == "BOOKMARK":
            return None
        one = self._object.decode(event.object)
        if event.type == "DELETED":
            self._known.pop(identity.uid, None)
        else:
            self._known[identity.uid] = one
        return Change(event.type, one)
