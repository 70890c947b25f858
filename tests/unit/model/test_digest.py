"""Digests are parsed whole or refused."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipit.model import codec
from shipit.model.digest import Digest


@given(st.binary())
def test_the_digest_of_content(content: bytes) -> None:
    digest = Digest.of(content)

    assert digest.hex == hashlib.sha256(content).hexdigest()
    assert digest.algorithm == "sha256"
    assert str(digest) == f"sha256:{digest.hex}"
    assert digest.short == digest.hex[:12]
    assert Digest(str(digest)) == digest
    assert hash(Digest(str(digest))) == hash(digest)


@given(st.text(alphabet="0123456789abcdef", min_size=128, max_size=128))
def test_sha512(encoded: str) -> None:
    assert Digest(f"sha512:{encoded}").algorithm == "sha512"


@given(st.text(max_size=80))
def test_nothing_else_is_a_digest(text: str) -> None:
    with pytest.raises(ValueError, match="is not a digest"):
        Digest(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a" * 64,
        "sha256",
        "sha256:",
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "sha256:" + "a" * 64 + "\n",
        " sha256:" + "a" * 64,
        "md5:" + "a" * 32,
        "SHA256:" + "a" * 64,
        "sha512:" + "a" * 64,
    ],
)
def test_what_looks_like_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a digest"):
        Digest(text)


def test_it_is_not_a_string() -> None:
    digest = Digest.of(b"x")

    assert digest != str(digest)
    assert str not in Digest.__mro__
    assert repr(digest) == f"Digest('{digest}')"


@given(st.lists(st.binary()))
def test_order_is_that_of_the_text(contents: list[bytes]) -> None:
    digests = [Digest.of(content) for content in contents]

    assert [str(d) for d in sorted(digests)] == sorted(str(d) for d in digests)


@given(st.binary())
def test_through_json_and_back(content: bytes) -> None:
    digest = Digest.of(content)

    assert codec.encode({"is": digest}) == f'{{"is":"{digest}"}}'.encode()
    assert codec.decode(codec.encode([digest]), list[Digest]) == [digest]
    with pytest.raises(ValueError, match="is not a digest"):
        codec.decode(b'["sha256:abc"]', list[Digest])
