"""Kubernetes' YAML: several documents, scalars as kubectl reads them."""

from typing import Any

import pytest

from shipit.config.document import parse_manifests, plain
from shipit.errors import ConfigurationError


def read(text: str) -> list[Any]:
    return [plain(node) for node in parse_manifests(text, "web.yaml")]


def test_documents_and_the_empty_ones_between_them() -> None:
    text = "# the web\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n"
    assert read(text) == [{"a": 1}, {"b": 2}]
    assert read("") == []


# What sigs.k8s.io/yaml makes of them; kubectl itself is asked in tests/integration/config.
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0644", 420),
        ("-010", -8),
        ("0o644", 420),
        ("0x1F", 31),
        ("0b101", 5),
        ("1_000", 1000),
        ("0890", 890),
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("yES", "yES"),
        ("'yes'", "yes"),
        ("1.5", 1.5),
        ("1e3", 1000),
        ("100m", "100m"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("_1", "_1"),
        ("~", None),
    ],
)
def test_scalars_are_what_kubectl_makes_of_them(written: str, value: Any) -> None:
    found = read(f"key: {written}")[0]["key"]
    assert (found, type(found)) == (value, type(value))


def test_a_mistake_in_a_later_document_has_its_line() -> None:
    with pytest.raises(ConfigurationError) as error:
        read("a: 1\n---\nb: 2\nb: 3\n")
    assert str(error.value) == "web.yaml:4:1: the key b is here again; the first is on line 3"


def test_no_object_is_made_from_a_tag() -> None:
    with pytest.raises(ConfigurationError, match=r"the tag !!python/name:os.system|the tag tag:"):
        read("a: !!python/name:os.system x")


def test_an_anchor_of_another_document_is_not_known() -> None:
    with pytest.raises(ConfigurationError, match="refers to no anchor"):
        read("a: &x 1\n---\nb: *x\n")


def test_each_document_may_be_as_large_as_a_file() -> None:
    large = "a: [" + "1, " * 60_000 + "1]\n"
    assert len(read(f"{large}---\n{large}")) == 2
