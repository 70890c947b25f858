"""Which objects are ours, as KEP-3659 writes it down."""

from typing import Any

import pytest

from shipit.errors import PreconditionError
from shipit.targets.kubernetes import applyset

PARENT = applyset.parent("shop-dev", "team", ["Service", "Deployment.apps"], ["team", "other"])


def test_the_parent_says_whose_it_is_and_what_is_in_it() -> None:
    metadata = PARENT["metadata"]
    assert metadata["labels"]["applyset.kubernetes.io/id"] == applyset.identity("shop-dev", "team")
    annotations = metadata["annotations"]
    assert annotations["applyset.kubernetes.io/tooling"].startswith("shipit/v")
    assert annotations["applyset.kubernetes.io/contains-group-kinds"] == "Deployment.apps,Service"
    assert annotations["applyset.kubernetes.io/additional-namespaces"] == "other"
    assert applyset.kinds_of(PARENT) == {"Deployment.apps", "Service"}
    assert applyset.namespaces_of(PARENT) == {"other"}


def test_the_id_is_of_name_namespace_kind_and_group() -> None:
    names = [applyset.identity(*words) for words in (("a", "b"), ("a", "c"), ("b", "b"))]
    assert len(set(names)) == 3
    assert all(n.startswith("applyset-") and n.endswith("-v1") and len(n) < 64 for n in names)


def test_nothing_is_written_that_is_there_already() -> None:
    assert applyset.same(PARENT, PARENT)
    assert not applyset.same(None, PARENT)
    assert not applyset.same(applyset.parent("shop-dev", "team", ["Service"], []), PARENT)
    fewer = applyset.parent("shop-dev", "team", ["Service", "Deployment.apps"], [])
    assert not applyset.same(PARENT, fewer)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"name": "shop-dev"}, "it is no parent of an ApplySet"),
        (
            {
                "name": "shop-dev",
                "labels": {"applyset.kubernetes.io/id": "applyset-x-v1"},
                "annotations": {"applyset.kubernetes.io/tooling": "kubectl/v1.36.0"},
            },
            "kubectl keeps an ApplySet with it",
        ),
    ],
)
def test_a_parent_that_is_somebody_elses_is_refused(metadata: dict[str, Any], words: str) -> None:
    with pytest.raises(PreconditionError, match=words):
        applyset.refuse_foreign({"metadata": metadata})
    applyset.refuse_foreign(PARENT)
    applyset.refuse_foreign(None)


def test_a_member_carries_the_id() -> None:
    one: dict[str, Any] = {"kind": "Service", "metadata": {"name": "web", "labels": {"a": "b"}}}
    joined = applyset.joined(one, "applyset-x-v1")
    assert joined["metadata"]["labels"] == {"a": "b", applyset.PART_OF: "applyset-x-v1"}
    assert one["metadata"]["labels"] == {"a": "b"}
