"""What the containers of pods write, those included that appear later.

A watch says which containers there are; each one that has started is read by a thread of its own.
A connection that breaks is taken up again where it broke: the kubelet gives every line its time.
"""

import queue
import random
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from shipit.errors import RemoteError, ShipitError
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.connection import Stream
from shipit.targets.kubernetes.listing import shown
from shipit.targets.kubernetes.pods import Pod

Key = tuple[str, str, int]
_AT_ONCE = 100  # logs that are followed; each is a connection that stays
_HELD = 1000  # lines that wait to be shown; a reader waits when there are more
_PAUSE = 1.0  # seconds before a broken connection is taken up again
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
_LOOK = 0.2  # seconds between two looks whether anybody still listens


class Source(msgspec.Struct, frozen=True):
    """One life of a container. `name` is what people see."""

    name: str
    pod: str
    container: str
    uid: str
    life: int
    up: bool

    @property
    def key(self) -> Key:
        return (self.uid, self.container, self.life)


class Wanted(msgspec.Struct, frozen=True):
    """Which lines: the last `tail` of each container, and those since a moment."""

    tail: int | None = None
    since: datetime | None = None


def sources(pod: Pod, services: frozenset[str] = frozenset()) -> Iterator[Source]:
    """The containers of a pod that have written, or may have: they run or have ended. Those of
    these services, where some are named."""
    for status in pod.status.container_statuses:
        state = status.state
        if services and pod.service_of(status.name) not in services:
            continue
        if state.running or state.terminated:
            yield Source(
                name=shown(pod, status.name),
                pod=pod.name,
                container=status.name,
                uid=pod.metadata.uid,
                life=status.restart_count,
                up=state.running is not None,
            )


def lines(
    cluster: Cluster, selector: str, wanted: Wanted, services: frozenset[str] = frozenset()
) -> Iterator[tuple[str, str]]:
    """(container, line) of what was written until now, pod after pod; `services` as `sources`."""
    for page in cluster.pages("v1", "Pod", Pod, selector=selector):
        for source in (source for pod in page.items for source in sources(pod, services)):
            for _, line in _written(_opened(cluster, source, wanted, follow=False)):
                yield source.name, line


class Following:
    """(container, line) of every container, as they are written, until it is closed.

    `pods` are the pods as they were last seen, by uid; `synced` is set once those are known that
    were there at the start. `services` as `sources` has them.
    """

    def __init__(
        self,
        cluster: Cluster,
        selector: str,
        wanted: Wanted,
        services: frozenset[str] = frozenset(),
    ) -> None:
        self.pods: dict[str, Pod] = {}
        self.synced = threading.Event()
        self._cluster, self._selector, self._wanted = cluster, selector, wanted
        self._services = services
        self._watch = cluster.watcher("v1", "Pod", Pod, selector=selector)
        self._arrived: queue.Queue[tuple[str, str]] = queue.Queue(_HELD)
        self._begun: set[Key] = set()
        self._streams: dict[Key, Stream] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._free = threading.Semaphore(_AT_ONCE)
        self._trouble: ShipitError | None = None
        self._reading = 0
        threading.Thread(target=self._see_all, daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        self._watch.close()
        with self._lock:
            streams = list(self._streams.values())
        for stream in streams:
            stream.close()

    def next(self, timeout: float) -> tuple[str, str] | None:
        """None when there was none within `timeout` seconds. Raises what ended the watch."""
        try:
            return self._arrived.get(timeout=timeout)
        except queue.Empty:
            if self._trouble:
                raise self._trouble from None
            return None

    def look(self) -> None:
        """At the pods as they are this moment: a watch may be late. Raises RemoteError."""
        for page in self._cluster.pages("v1", "Pod", Pod, selector=self._selector):
            for pod in page.items:
                self._see("MODIFIED", pod)

    @property
    def drained(self) -> bool:
        """Whether nobody reads any more, and all that was read was given."""
        with self._lock:
            return not self._reading and self._arrived.empty()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        try:
            while True:
                item = self.next(_LOOK)
                if item:
                    yield item
        finally:
            self.close()

    def _see_all(self) -> None:
        try:
            for change in self._watch.changes():
                if change.type == "SYNCED":
                    self.synced.set()
                    self._wanted = Wanted()  # who comes later is read from the start
                elif change.object is not None:
                    self._see(change.type, change.object)
        except ShipitError as error:
            self._trouble = error

    def _see(self, kind: str, pod: Pod) -> None:
        with self._lock:  # who sees a pod that has ended sees that its log is still being read
            new = [s for s in sources(pod, self._services) if s.key not in self._begun]
            self._begun |= {source.key for source in new}
            self._reading += len(new)
            if kind == "DELETED":
                self.pods.pop(pod.metadata.uid, None)
            else:
                self.pods[pod.metadata.uid] = pod
        for source in new:
            threading.Thread(target=self._read, args=(source, self._wanted), daemon=True).start()

    def _read(self, source: Source, wanted: Wanted) -> None:
        try:
            if self._has_turn(source):
                try:
                    self._follow(source, wanted)
                finally:
                    self._free.release()
        except ShipitError as error:
            self._put((source.name, f"(its log ended: {error.what})"))
        finally:
            with self._lock:
                self._reading -= 1

    def _has_turn(self, source: Source) -> bool:
        """Once another log has ended, where there are too many; False when nobody listens."""
        if self._free.acquire(blocking=False):
            return True
        self._put((source.name, f"(waits: {_AT_ONCE} logs are followed already)"))
        while not self._closed.is_set():
            if self._free.acquire(timeout=_LOOK):
                return True
        return False

    def _follow(self, source: Source, wanted: Wanted) -> None:
        """Until the container has ended, through connections that break."""
        last = ""
        while not self._closed.is_set():
            try:
                stream = self._keep(source, _opened(self._cluster, source, wanted, follow=True))
                for stamp, line in _written(stream):
                    if stamp and stamp <= last:
                        continue  # it was asked again from a whole second on
                    last = stamp or last
                    self._put((source.name, line))
            except RemoteError as error:
                if not error.temporary and not self._closed.is_set():
                    raise
            if not self._is_up(source):
                return
            wanted = _since(last, wanted)
            self._closed.wait(_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    def _keep(self, source: Source, stream: Stream) -> Stream:
        """Where `close` finds it."""
        with self._lock:
            self._streams[source.key] = stream
        if self._closed.is_set():
            stream.close()
        return stream

    def _is_up(self, source: Source) -> bool:
        pod = self.pods.get(source.uid)
        return any(s.key == source.key and s.up for s in sources(pod)) if pod else False

    def _put(self, item: tuple[str, str]) -> None:
        while not self._closed.is_set():
            try:
                self._arrived.put(item, timeout=_LOOK)
            except queue.Full:
                continue
            return


def _opened(cluster: Cluster, source: Source, wanted: Wanted, *, follow: bool) -> Stream:
    """docs.k8s.io, "Pod v1 core", Read Log."""
    query = [("container", source.container), ("timestamps", "true")]
    if wanted.tail is not None:
        query.append(("tailLines", str(wanted.tail)))
    if wanted.since is not None:
        query.append(("sinceTime", wanted.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")))
    return cluster.logs(source.pod, query, follow=follow)


def _written(stream: Stream) -> Iterator[tuple[str, str]]:
    """(time, line): the kubelet writes a time of constant width before each line that a container
    wrote. What it has to say itself has none."""
    for raw in stream.lines():
        text = raw.rstrip(b"\r").decode(errors="replace")
        stamp, _, line = text.partition(" ")
        yield (stamp, line) if _TIME.match(stamp) else ("", text)


def _since(stamp: str, before: Wanted) -> Wanted:
    """From where a connection broke; the API server takes whole seconds alone."""
    return Wanted(since=datetime.fromisoformat(stamp)) if stamp else before
