"""Image references are read as docker reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.model.digest import Digest
from shipit.model.image import Image, Platform, PlatformImage, Reference

DIGEST = Digest.of(b"an image")

hosts = st.sampled_from(
    ["localhost", "localhost:5000", "registry.example", "10.0.0.1:5000", "[::1]:5000", "a.b:1"]
)
components = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}", fullmatch=True)
paths = st.lists(components, min_size=1, max_size=4).map("/".join)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
digests = st.binary().map(Digest.of)


@given(hosts, paths, st.none() | tags, st.none() | digests)
def test_a_whole_reference(host: str, path: str, tag: str | None, digest: Digest | None) -> None:
    text = f"{host}/{path}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")

    reference = Reference.parse(text)

    assert (reference.registry, reference.path) == (host, path)
    assert (reference.tag, reference.digest) == (tag or "", digest)
    assert reference.typed == text
    assert str(reference) == text
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("postgres", "docker.io/library/postgres"),
        ("postgres:16", "docker.io/library/postgres:16"),
        ("acme/shop", "docker.io/acme/shop"),
        ("docker.io/postgres", "docker.io/library/postgres"),
        ("localhost/shop", "localhost/shop"),
        ("host:5000/shop:1", "host:5000/shop:1"),
        (f"postgres@{DIGEST}", f"docker.io/library/postgres@{DIGEST}"),
    ],
)
def test_what_docker_adds(text: str, whole: str) -> None:
    assert str(Reference.parse(text)) == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "@",
        "Shop",
        "acme/Shop",
        "acme//shop",
        "/shop",
        "shop/",
        "shop:",
        "shop:a b",
        "shop:.x",
        "shop:" + "a" * 129,
        "shop@",
        "shop@sha256:abc",
        "http://acme/shop",
        "a..b/shop:1/",
        "shop---:x:y",
        "-shop",
        "${IMAGE}",
        "shop\n",
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        Reference.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except ValueError:
        return
    again = Reference.parse(str(reference))
    assert (again.repository, again.tag, again.digest) == (
        reference.repository,
        reference.tag,
        reference.digest,
    )


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm/v7", "windows/amd64"])
def test_platforms(text: str) -> None:
    assert str(Platform.parse(text)) == text


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "a/b/c/d", "linux//v7"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(ValueError, match="is not a platform"):
        Platform.parse(text)


def test_the_same_bytes_elsewhere() -> None:
    child = PlatformImage(Platform("linux", "amd64"), Digest.of(b"manifest"), Digest.of(b"config"))
    image = Image("registry.example/shop", DIGEST, (child,))

    moved = image.at("other.example/shop")

    assert moved.reference == f"other.example/shop@{DIGEST}"
    assert moved.identities() == image.identities() == {DIGEST, child.manifest, child.config}
    assert image.reference.startswith("registry.example/")
