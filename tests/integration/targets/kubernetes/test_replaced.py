"""A workload whose kind changes, on the real control plane. Failure mode 13: the old does not go
before the new serves."""

import json
from typing import Any

import pytest

from shipit.model.progress import Failed, Succeeded
from tests.fakes.cluster.story import ends, runs
from tests.integration.targets.kubernetes.conftest import IMAGES, Place
from tests.integration.targets.kubernetes.test_objects import sourced, workload

pytestmark = pytest.mark.cluster
Json = dict[str, Any]


def stateful(version: str) -> Json:
    return workload("StatefulSet", version, serviceName="web")


def ready(place: Place, kind: str) -> int:
    """How many replicas of it, 0 where there is none."""
    found = json.loads(place.kubectl("get", kind, "-o", "json"))["items"]
    return sum(one["status"].get("readyReplicas", 0) for one in found)


def owners(place: Place) -> set[str]:
    """The kinds whose pods are there and not on their way out."""
    pods = json.loads(place.kubectl("get", "pods", "-o", "json"))["items"]
    stay = (p["metadata"] for p in pods if not p["metadata"].get("deletionTimestamp"))
    return {owner["kind"] for metadata in stay for owner in metadata["ownerReferences"]}


def test_the_old_one_serves_until_the_new_one_is_proven(place: Place) -> None:
    place.deploy(sourced(place, workload("Deployment", "1", replicas=2)))
    place.when(runs(after=2.0), "2")
    served: list[int] = []
    _, _, outcome = place.deploy(
        sourced(place, stateful("2"), version="2"),
        meanwhile=lambda _: served.append(ready(place, "deployment")),
    )
    assert outcome == Succeeded({"web": IMAGES["2"].digest})
    assert set(served) == {2}
    assert ready(place, "statefulset") == 2  # it says no count of its own
    assert place.names("deployment") == []
    assert owners(place) == {"StatefulSet"}
    assert not place.deploy(sourced(place, stateful("2"), version="2"))[0].changed


def test_what_is_not_proven_leaves_the_old_one_as_it_was(place: Place) -> None:
    old = sourced(place, workload("Deployment", "1"))
    place.deploy(old)
    place.when(ends(1), "2")
    assert isinstance(place.deploy(sourced(place, stateful("2"), version="2"))[2], Failed)
    assert ready(place, "deployment") == 1
    assert isinstance(place.deploy(old)[2], Succeeded)
    assert place.names("statefulset") == []
    assert owners(place) == {"ReplicaSet"}


def test_on_every_node_and_back(place: Place) -> None:
    everywhere = {"deploy": {"mode": "global"}}
    for version, more in (("1", {}), ("2", everywhere), ("3", {})):
        desired = place.desired("web", version=version, **more)
        assert place.deploy(desired)[2] == Succeeded({"web": IMAGES[version].digest})
        assert owners(place) == {"DaemonSet" if more else "ReplicaSet"}
