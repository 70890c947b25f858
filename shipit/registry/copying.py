"""An image from one repository to another: by digest, whole, with everything that vouches for it.

The work is planned, then done: which manifests the destination lacks, and so which blobs it may
lack; then the blobs, several at once; then the manifests, each after what it refers to and after
what vouches for it; a tag last. So a manifest that is there says that the rest of it is there too,
and a copy that was killed at any instant is completed by the next one.
"""

from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.registry import tree
from shipit.registry.manifests import Descriptor, Manifest
from shipit.registry.transfers import AbandonedError, Courier, Report, State, Transfer
from shipit.registry.vouchers import Archive

if TYPE_CHECKING:
    from shipit.registry.client import Client

AT_ONCE = 6  # blobs in flight: more does not help on two cores, and registries throttle


class Copied(msgspec.Struct, frozen=True):
    """The image where it is now, and what had to be done for it. `bytes` are those of the blobs
    that were sent; `mounted` blobs the registry took from its own; `vouchers` are the signatures,
    SBOMs and attestations among the `manifests` that were written."""

    image: Image
    manifests: int = 0
    blobs: int = 0
    bytes: int = 0
    mounted: int = 0
    vouchers: int = 0

    @property
    def changed(self) -> bool:
        return self.manifests > 0 or self.blobs > 0 or self.mounted > 0


def copy(
    client: "Client",
    image: Image,
    repository: str,
    report: Report,
    *,
    tag: str = "",
    move: bool = False,
    whole: bool = False,
) -> Copied:
    """See Client.copy."""
    target = image.at(repository)
    if tag:
        client.check_tag(target, tag, move=move)
    copied = Copied(target)
    if repository != image.repository:
        copied = _Copy(client, image, repository, report, move=move, whole=whole).run()
    if tag:
        client.tag(target, tag, move=move)
    return copied


class _Copy:
    """One copy under way."""

    def __init__(
        self,
        client: "Client",
        image: Image,
        repository: str,
        report: Report,
        *,
        move: bool,
        whole: bool,
    ) -> None:
        self._client, self._image = client, image
        self._source, self._destination = image.repository, repository
        self._report, self._move, self._whole = report, move, whole
        self._archive = Archive(client.transport, client.referring, image.repository)
        self._courier = Courier(client.transport, image.repository, repository, report)
        self._lacking: set[Digest] = set()
        self._vouching: set[Digest] = set()
        # Digest tags, as they are at the source, by the digest of what they name.
        self._tagged: dict[Digest, dict[str, Manifest]] = {}
        self._lock = Lock()

    def run(self) -> Copied:
        nodes = tree.grow(self._look, self._image.digest)
        for digest in nodes.keys() - self._lacking:
            self._tell(nodes[digest].manifest, State.PRESENT)
        sent = self._bring_blobs(
            n.manifest for d, n in nodes.items() if self._whole or d in self._lacking
        )
        for rank in tree.ranks(nodes, self._image.digest):
            self._write([m for m in rank if m.digest in self._lacking])
            self._note(rank)
        return Copied(
            self._image.at(self._destination),
            manifests=len(self._lacking),
            blobs=sum(1 for _, state in sent if state is State.SENT),
            bytes=sum(blob.size for blob, state in sent if state is State.SENT),
            mounted=sum(1 for _, state in sent if state is State.MOUNTED),
            vouchers=len(self._lacking & self._vouching),
        )

    # The plan

    def _look(self, digest: Digest) -> tree.Node:
        """From the destination where it is there already, else from the source. What vouches for a
        manifest that is there was copied before it; only the image itself is asked about again,
        since people sign what they have tested."""
        manifest = self._there(digest)
        lacking = manifest is None
        if manifest is None:
            manifest = self._from_source(digest)
        vouchers: tuple[Digest, ...] = ()
        if lacking or self._whole or digest == self._image.digest:
            vouchers = self._vouchers(digest)
        if lacking:
            with self._lock:
                self._lacking.add(digest)
        return tree.Node(manifest, vouchers)

    def _vouchers(self, digest: Digest) -> tuple[Digest, ...]:
        found = self._archive.of(digest)
        with self._lock:
            self._vouching.update(found.digests)
            for tag, manifest in found.tagged.items():
                self._tagged.setdefault(manifest.digest, {})[tag] = manifest
        return found.digests

    def _there(self, digest: Digest) -> Manifest | None:
        """At the destination: by its digest, or where a digest tag names it, by that."""
        tagged = self._tagged.get(digest)
        if not tagged:
            return self._client.find_manifest(self._destination, digest)
        for tag, manifest in tagged.items():
            there = self._client.find_manifest(self._destination, tag)
            if there is None or self._is_to_move(tag, there, manifest):
                return None
        return next(iter(tagged.values()))

    def _is_to_move(self, tag: str, there: Manifest, new: Manifest) -> bool:
        """A signature that was added moves a digest tag on; to lose one is refused."""
        if there.digest == new.digest:
            return False
        if self._move or is_ahead(new, there):
            return True
        if is_ahead(there, new):
            return False
        raise PreconditionError(
            f"{self._destination}:{tag} is {there.digest}, not {new.digest}",
            f"some of what vouches for the image there is not in {self._source}",
            "look at both; what is there is given up only on purpose (`shipit copy --move`)",
        )

    def _from_source(self, digest: Digest) -> Manifest:
        tagged = self._tagged.get(digest)
        if tagged:
            return next(iter(tagged.values()))
        return self._client.get_manifest(self._source, digest)

    # The work

    def _bring_blobs(self, manifests: Iterable[Manifest]) -> list[tuple[Descriptor, State]]:
        """The largest first: the last one to begin should not be the last to end."""
        wanted = {b.digest: b for m in manifests for b in m.blobs}
        blobs = sorted(wanted.values(), key=lambda b: -b.size)
        for blob in blobs:
            self._report(Transfer(blob.digest, State.WAITING, 0, blob.size))
        with ThreadPoolExecutor(AT_ONCE) as threads:
            under_way = [threads.submit(self._courier.bring, blob) for blob in blobs]
            try:
                wait(under_way, return_when=FIRST_EXCEPTION)
            finally:  # also when somebody gives up
                if any(not f.done() or f.exception() for f in under_way):
                    self._courier.abandon()
        failures = [e for f in under_way if (e := f.exception()) is not None]
        first = next((e for e in failures if not isinstance(e, AbandonedError)), None)
        if first is not None:
            raise first
        return [(blob, f.result()) for blob, f in zip(blobs, under_way, strict=True)]

    def _write(self, manifests: list[Manifest]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            # list: the first failure is raised here, after what is in flight has ended
            list(threads.map(self._write_one, manifests))

    def _write_one(self, manifest: Manifest) -> None:
        tags = self._tagged.get(manifest.digest) or {"": manifest}
        for tag in tags:
            try:
                self._client.write_manifest(self._destination, manifest, tag)
            except RemoteError as error:
                raise _named(error, manifest) from None
        self._tell(manifest, State.SENT)

    def _note(self, manifests: Iterable[Manifest]) -> None:
        """Referrers of one subject together: the fallback tag is one document."""
        subjects: dict[Digest, list[Descriptor]] = {}
        for manifest in manifests:
            if manifest.subject and (self._whole or manifest.digest in self._lacking):
                subjects.setdefault(manifest.subject, []).append(manifest.descriptor)
        for subject, referrers in subjects.items():
            self._client.note_referrers(self._destination, subject, referrers)

    def _tell(self, manifest: Manifest, state: State) -> None:
        size = len(manifest.content)
        self._report(Transfer(manifest.digest, state, size, size))


def is_ahead(first: Manifest, second: Manifest) -> bool:
    """Whether it holds all that the second holds: cosign writes a digest tag anew, with one layer
    more, for every signature that is added. Two signatures may be one blob, and differ in its
    annotations."""
    return _entries(second) <= _entries(first)


def _entries(manifest: Manifest) -> set[tuple[Digest, tuple[tuple[str, str], ...]]]:
    held = (*(manifest.document.layers or ()), *manifest.children)
    return {(d.digest, tuple(sorted((d.annotations or {}).items()))) for d in held}


def _named(error: RemoteError, manifest: Manifest) -> RemoteError:
    """A registry that wants layers which nobody may hand on is told apart from a broken one."""
    foreign = [str(d.digest) for d in manifest.foreign]
    if not foreign or not any("BLOB_UNKNOWN" in reason for reason in error.reasons):
        return error
    return RemoteError(
        f"{error.what}: the manifest {manifest.digest} has layers that are not distributable",
        f"{', '.join(foreign)} stay where their urls say, and the registry wants them; "
        f"it said: {error.why}",
        "have the registry allow foreign layers, or build on another base image",
        request=error.request,
        status=error.status,
        reasons=error.reasons,
    )
