"""A service's name in the cluster, on the real control plane: it may come to have ports, and lose
them."""

import json
from typing import Any

import pytest

from shipit.model.progress import Succeeded
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = pytest.mark.cluster
Json = dict[str, Any]
EXPOSED: Json = {"expose": ["80"]}


def service(place: Place) -> Json:
    found: Json = json.loads(place.kubectl("get", "service", "web", "-o", "json"))["spec"]
    return found


@pytest.mark.parametrize(("before", "after"), [({}, EXPOSED), (EXPOSED, {})])
def test_ports_come_and_go(place: Place, before: Json, after: Json) -> None:
    """Whether a Service has an address of its own is not to be changed: it is made anew."""
    place.deploy(place.desired("web", **before))
    for version, now in (("2", after), ("1", before)):
        desired = place.desired("web", version=version, **now)
        plan, _, outcome = place.deploy(desired)
        assert outcome == Succeeded({"web": IMAGES[version].digest})
        assert any("Service/web is made anew" in note for note in plan.notes)
        found = service(place)
        assert (found["clusterIP"] == "None") is not bool(now)
        assert [port["port"] for port in found.get("ports", ())] == ([80] if now else [])
        assert not place.deploy(desired)[0].changed
