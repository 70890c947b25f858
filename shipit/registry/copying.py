"""An image from one repository to another: by digest, whole, children first, nothing sent twice.

The work is planned, then done: which manifests the destination lacks, and so which blobs it may
lack; then the blobs, several at once; then the manifests, each after what it refers to.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.registry import address, blobs, tree
from shipit.registry.manifests import Descriptor, Manifest
from shipit.registry.retry import persist

if TYPE_CHECKING:
    from shipit.registry.client import Client

AT_ONCE = 6  # blobs in flight: more does not help on two cores, and registries throttle


class State(StrEnum):
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


def copy(client: "Client", image: Image, repository: str, report: Report) -> Image:
    """See Client.copy. A half-copied image is completed: only manifests that are there with all
    their children count as copied. `report` is called from several threads."""
    if repository != image.repository:
        _Copy(client, image.repository, repository, report).run(image.digest)
    return image.at(repository)


class _Copy:
    """One copy under way."""

    def __init__(self, client: "Client", source: str, destination: str, report: Report) -> None:
        self._client = client
        self._source, self._destination = source, destination
        self._report = report
        self._lacking: set[Digest] = set()
        registry, self._source_path = address.split(source)
        self._is_same_registry = registry == address.split(destination)[0]

    def run(self, digest: Digest) -> None:
        order = tree.children_first(self._get, digest)
        for manifest in order:
            if manifest.digest not in self._lacking:
                self._tell(manifest.descriptor, State.PRESENT)
        lacking = [m for m in order if m.digest in self._lacking]
        self._send_blobs(lacking)
        for manifest in lacking:
            self._client.put_manifest(self._destination, manifest)
            self._tell(manifest.descriptor, State.SENT)

    def _get(self, digest: Digest) -> Manifest:
        """From the destination where it is there already, else from the source."""
        there = self._client.find_manifest(self._destination, digest)
        if there is not None:
            return there
        self._lacking.add(digest)
        return self._client.get_manifest(self._source, digest)

    def _send_blobs(self, manifests: Iterable[Manifest]) -> None:
        wanted = {b.digest: b for m in manifests for b in m.blobs}
        largest_first = sorted(wanted.values(), key=lambda b: -b.size)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            # list: the first failure is raised here, after what is in flight has ended
            list(threads.map(self._send, largest_first))

    def _send(self, blob: Descriptor) -> None:
        persist(lambda: self._send_once(blob))

    def _send_once(self, blob: Descriptor) -> None:
        transport = self._client.transport
        if blobs.head(transport, self._destination, blob.digest) is not None:
            self._tell(blob, State.PRESENT)
            return
        session = ""
        if self._is_same_registry:
            session = blobs.mount(transport, self._destination, blob.digest, self._source_path)
            if not session:
                self._tell(blob, State.MOUNTED)
                return
        blobs.put(
            transport,
            self._destination,
            blob.digest,
            blob.size,
            lambda: self._counted(blob),
            session=session,
        )
        self._tell(blob, State.SENT)

    def _counted(self, blob: Descriptor) -> Iterator[bytes]:
        done = 0
        for piece in blobs.stream(self._client.transport, self._source, blob.digest):
            done += len(piece)
            self._report(Transfer(blob.digest, State.SENDING, done, blob.size))
            yield piece

    def _tell(self, what: Descriptor, state: State) -> None:
        self._report(Transfer(what.digest, state, what.size, what.size))
