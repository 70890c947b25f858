"""What vouches for a manifest: referrers (signatures, SBOMs, attestations; distribution-spec,
"Listing Referrers"), and cosign's digest tags (`sha256-<hex>.sig`, `.att`, `.sbom`)."""

from collections.abc import Iterable
from threading import Lock
from urllib.parse import urlencode

import msgspec

from shipit.model.digest import Digest
from shipit.registry import address, documents, media
from shipit.registry.manifests import LIMIT, Descriptor, Manifest, index_of
from shipit.registry.transport import Call, Transport, discard, read

# What registries without the API answer: 404 by the specification, the others in practice.
_NO_API = (404, 400, 405, 501)
_WRITES = 3  # a fallback tag that somebody else wrote at the same time is written again


class Referrers:
    """The lists of one client. Whether a repository has the API is asked once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._without: set[str] = set()
        self._lock = Lock()

    def of(
        self, repository: str, digest: Digest, artifact_type: str = ""
    ) -> tuple[Descriptor, ...]:
        """By the referrers API, or by the fallback tag where a registry has none
        (distribution-spec, "Unavailable Referrers API")."""
        found = self._by_api(repository, digest, artifact_type)
        if found is None:
            found = self.by_tag(repository, digest)
        return tuple(d for d in found if not artifact_type or d.artifact_type == artifact_type)

    def by_tag(self, repository: str, digest: Digest) -> tuple[Descriptor, ...]:
        listed = documents.find(self._transport, repository, fallback_tag(digest))
        return listed.children if listed else ()

    def has_api(self, repository: str, digest: Digest) -> bool:
        return self._by_api(repository, digest) is not None

    def _by_api(
        self, repository: str, digest: Digest, artifact_type: str = ""
    ) -> tuple[Descriptor, ...] | None:
        """The API is asked, not the OCI-Subject header: ECR sends the header without the API."""
        if repository in self._without:
            return None
        registry, path = address.split(repository)
        query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
        target = f"/v2/{path}/referrers/{digest}{query}"
        found: list[Descriptor] = []
        while target:
            call = Call(
                "GET",
                registry,
                target,
                (f"repository:{path}:pull",),
                {"Accept": media.OCI_INDEX},
                expect=(200, *_NO_API),
            )
            response = self._transport.send(call)
            kind = response.headers.get("Content-Type", "")
            if response.status != 200 or not kind.startswith(media.OCI_INDEX):
                discard(response)
                self._without.add(repository)
                return None
            content = read(response, LIMIT, call.title, registry)
            found += documents.decoded(content, ManifestList, call).manifests or ()
            target = documents.next_page(response, call)
        return tuple(found)

    def note(self, repository: str, subject: Digest, referrers: Iterable[Descriptor]) -> None:
        """Add referrers to their subject's fallback tag, where the registry has no referrers API.

        The specification has no conditional write for it: it is read back, and written again when
        another writer was there in between.
        """
        if self.has_api(repository, subject):
            return
        new = list(referrers)
        with self._lock:
            for _ in range(_WRITES):
                listed = self.by_tag(repository, subject)
                known = {d.digest for d in listed}
                lacking = [d for d in new if d.digest not in known]
                if not lacking:
                    return
                index = Manifest(media.OCI_INDEX, index_of((*listed, *lacking)))
                documents.put(self._transport, repository, index, fallback_tag(subject))

    def digest_tags(self, repository: str) -> dict[str, list[str]]:
        """Every tag that names a digest and a suffix, by what it names (`sha256-<hex>`): one
        request, or one for each page of tags. None in a repository that has no tags."""
        found: dict[str, list[str]] = {}
        try:
            tags = list(documents.tags(self._transport, repository, documents.PAGE))
        except documents.NoRepositoryError:
            return found
        for tag in tags:
            named, dot, suffix = tag.partition(".")
            if dot and suffix and named.startswith(("sha256-", "sha512-")):
                found.setdefault(named, []).append(tag)
        return found


class ManifestList(msgspec.Struct, frozen=True):
    manifests: tuple[Descriptor, ...] | None = None


def fallback_tag(digest: Digest) -> str:
    """`sha256-<hex>` (distribution-spec, "Referrers Tag Schema"; at most 64 digits of it)."""
    return f"{digest.algorithm[:32]}-{digest.hex[:64]}"
