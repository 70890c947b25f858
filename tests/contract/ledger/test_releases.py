"""Release documents: under their own digest, and believed only if they are what it says."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from shipit.errors import StoreError, UnknownNameError
from shipit.ledger import Ledger
from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.release import VERSION, Release, ReleaseImage, Source
from tests.contract.ledger.conftest import Opener

IMAGE = Image("registry.example/shop/web", Digest.of(b"web"))
RELEASE = Release(
    id="2026.11.2-1",
    app="shop",
    created_at=datetime(2026, 11, 2, 10, tzinfo=UTC),
    created_by="anna",
    source=Source(commit="c0ffee", branch="main"),
    images={"web": ReleaseImage(IMAGE)},
    environments={"dev": {"services": {"web": {"image": IMAGE.reference, "replicas": 2}}}},
)


def test_what_was_put_is_what_is_got(opened: Opener) -> None:
    digest = opened().put_release(RELEASE)

    assert digest == RELEASE.digest()
    assert opened().get_release(digest) == RELEASE
    assert opened().store.list("releases") == [f"{digest}.json"]


def test_putting_it_again_changes_nothing(opened: Opener) -> None:
    assert opened().put_release(RELEASE) == opened().put_release(RELEASE)


def test_a_release_that_is_not_there(opened: Opener) -> None:
    with pytest.raises(UnknownNameError, match="there is no release sha256:"):
        opened().get_release(RELEASE.digest())


@pytest.mark.parametrize("use", [Ledger.get_release, lambda ledger, _: ledger.put_release(RELEASE)])
def test_a_tampered_document_is_refused_by_name(
    opened: Opener, use: Callable[[Ledger, Digest], object]
) -> None:
    ledger = opened()
    digest = ledger.put_release(RELEASE)
    path = f"releases/{digest}.json"
    content = ledger.store.get(path) or b""
    ledger.store.put(path, content.replace(b'"replicas":2', b'"replicas":9'))

    with pytest.raises(StoreError) as refused:
        use(opened(), digest)
    assert path in refused.value.what
    assert "changed or damaged" in refused.value.why


def test_a_document_of_a_newer_version(opened: Opener) -> None:
    ledger = opened()
    content = b'{"id":"r1","shape":"unknown"}'
    digest = Digest.of(content)
    ledger.store.put(f"releases/{digest}.json", content)

    with pytest.raises(StoreError) as refused:
        ledger.get_release(digest)
    assert "upgrade" in refused.value.next_step


def test_a_release_of_before_there_were_sources_keeps_its_digest() -> None:
    """What was approved by digest stays approved: the JSON is what it was, byte for byte."""
    assert b"sources" not in codec.canonical(RELEASE)
    assert RELEASE.digest().short == "2b037b748f67"


def test_the_manifests_of_an_environment_travel_with_it(opened: Opener) -> None:
    objects = ({"kind": "Deployment", "metadata": {"name": "web"}},)
    release = msgspec.structs.replace(RELEASE, version=2, sources={"dev": objects})

    found = opened().get_release(opened().put_release(release))

    assert found.source_of("dev") == objects
    assert found.source_of("qa") == ()


def test_a_release_with_more_than_this_shipit_knows_is_not_half_understood(opened: Opener) -> None:
    newer = msgspec.structs.replace(RELEASE, version=VERSION + 1)
    digest = opened().put_release(newer)

    with pytest.raises(StoreError) as refused:
        opened().get_release(digest)
    assert refused.value.why == f"it is of version {VERSION + 1}"
    assert "upgrade" in refused.value.next_step
