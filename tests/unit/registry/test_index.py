"""The embedded registry's index.json: repositories and tags over an OCI image layout."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.errors import PreconditionError
from shipit.model.digest import Digest
from shipit.registry import media
from shipit.registry.embedded import EmbeddedRegistry
from shipit.registry.embedded.index import Index, entry_for
from shipit.registry.embedded.layout import Layout
from tests.fakes import registry_images as images


def made(text: str) -> Any:
    layers = [images.layer(text)]
    return images.manifest(images.config(images.AMD64, layers), layers)


ONE, TWO = made("one"), made("two")


def test_a_tag_is_what_other_tools_call_a_reference_name() -> None:
    index = Index().with_entry(entry_for("shop/web", "v1", ONE))

    document = json.loads(index.render())

    assert document["schemaVersion"] == 2
    assert document["manifests"] == [
        {
            "mediaType": media.OCI_MANIFEST,
            "digest": str(ONE.digest),
            "size": len(ONE.content),
            "annotations": {
                "dev.shipit.repository": "shop/web",
                "org.opencontainers.image.ref.name": "shop/web:v1",
            },
        }
    ]


def test_entries_of_other_tools_stay_as_they_are() -> None:
    foreign = {
        "mediaType": media.OCI_MANIFEST,
        "digest": str(ONE.digest),
        "size": 3,
        "annotations": {"org.opencontainers.image.ref.name": "latest", "theirs": "too"},
        "platform": {"architecture": "amd64", "os": "linux"},
    }
    content = json.dumps({"schemaVersion": 2, "manifests": [foreign]}).encode()

    index = Index.parse(content).with_entry(entry_for("shop/web", "v1", TWO))

    assert json.loads(index.render())["manifests"][0] == foreign
    assert index.tags("") == []
    assert index.tags("shop/web") == ["v1"]


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "tag", "untag", "delete"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["v1", "v2"]),
        st.sampled_from([ONE, TWO]),
    ),
    max_size=12,
)


@given(_STEPS)
def test_an_index_behaves_as_tags_over_manifests(steps: list[tuple[str, str, str, Any]]) -> None:
    index = Index()
    held: dict[str, set[Digest]] = {"a": set(), "b": set()}
    tags: dict[tuple[str, str], Digest] = {}
    for what, repository, tag, manifest in steps:
        if what in ("put", "tag"):
            index = index.with_entry(entry_for(repository, tag if what == "tag" else "", manifest))
            held[repository].add(manifest.digest)
        if what == "tag":
            tags[repository, tag] = manifest.digest
        if what == "untag":
            index = index.without_tag(repository, tag)
            tags.pop((repository, tag), None)
        if what == "delete":
            index = index.without_digest(repository, manifest.digest)
            held[repository].discard(manifest.digest)
            gone = (repository, manifest.digest)
            tags = {k: d for k, d in tags.items() if (k[0], d) != gone}
        index = Index.parse(index.render())

        for name, digests in held.items():
            assert {e.digest for e in index.entries if e.repository == name} == digests
            assert index.tags(name) == sorted(t for r, t in tags if r == name)
        for (name, tagged), digest in tags.items():
            found = index.tagged(name, tagged)
            assert found is not None
            assert found.digest == digest


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"manifests": [{"digest": "x"}]}'])
def test_a_damaged_index_is_told_before_anything_is_served(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "index.json").write_bytes(content)

    with pytest.raises(PreconditionError, match=r"index\.json is not an OCI image index"):
        EmbeddedRegistry(tmp_path).start()
    assert (tmp_path / "index.json").read_bytes() == content


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(PreconditionError, match="cannot use the folder"):
        EmbeddedRegistry(tmp_path / "file" / "registry").start()


def test_a_change_by_another_process_is_seen(tmp_path: Path) -> None:
    ours, theirs = Layout(tmp_path), Layout(tmp_path)
    ours.prepare()
    assert ours.index().tags("shop/web") == []

    theirs.add("shop/web", "v1", ONE)
    ours.add("shop/web", "v2", ONE)

    assert theirs.index().tags("shop/web") == ["v1", "v2"]
    assert ours.index().tags("shop/web") == ["v1", "v2"]
