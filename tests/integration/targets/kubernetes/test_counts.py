"""How many there are, where an autoscaler or `stop` has a say. Failure mode 34."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from shipit.model.deployment import Action, Desired, Health
from shipit.model.progress import Succeeded
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = pytest.mark.cluster
Json = dict[str, Any]
RESERVED = {"resources": {"reservations": {"cpus": 0.1}}}


def fixed(place: Place, count: int, version: str = "1") -> Desired:
    return place.desired("web", version=version, deploy={"replicas": count, **RESERVED})


def scaled(place: Place, least: int = 2, version: str = "1") -> Desired:
    autoscale = {"autoscale": {"min": least, "max": 9, "cpu": 70}}
    return place.desired("web", version=version, deploy=RESERVED, **{"x-kubernetes": autoscale})


def deployed(place: Place, desired: Desired) -> None:
    _, _, outcome = place.deploy(desired)
    assert outcome == Succeeded({"web": desired.images["web"].digest})


def count(place: Place) -> int:
    return int(place.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"))


def changed(place: Place, desired: Desired) -> bool:
    target = place.target()
    return target.preflight(target.plan(desired, target.observe())).changed


def moved_by_the_autoscaler(place: Place, least: int) -> None:
    deployed(place, scaled(place, least))
    wanted = f"--for=jsonpath={{.spec.replicas}}={least}"
    place.kubectl("wait", "deployment/web", wanted, "--timeout=60s")


def test_turning_it_on_resets_nothing(place: Place) -> None:
    """Server-side apply takes away what its only owner does not send: the count would be 1."""
    deployed(place, fixed(place, 5))
    deployed(place, scaled(place))
    assert count(place) == 5
    assert not changed(place, scaled(place))
    deployed(place, scaled(place, version="2"))
    assert count(place) == 5


def test_what_it_set_is_its_own(place: Place) -> None:
    deployed(place, fixed(place, 3))
    moved_by_the_autoscaler(place, 4)
    deployed(place, scaled(place, 4, version="2"))
    assert count(place) == 4
    assert not changed(place, scaled(place, 4, version="2"))
    owned = json.loads(
        place.kubectl("get", "deployment", "web", "-o", "json", "--show-managed-fields")
    )["metadata"]["managedFields"]
    owners = {e["manager"] for e in owned if "f:replicas" in e["fieldsV1"].get("f:spec", {})}
    assert owners == {"kube-controller-manager"}


def test_turning_it_off_sends_the_count_that_is_written(place: Place) -> None:
    """The autoscaler that goes with this deployment has no say any more."""
    deployed(place, fixed(place, 3))
    moved_by_the_autoscaler(place, 4)
    target = place.target()
    plan = target.preflight(target.plan(fixed(place, 3), target.observe()))
    assert "+ Deployment web: spec.replicas: 3" in plan.changes[0].diff
    deployed(place, fixed(place, 3))
    assert count(place) == 3
    assert place.names("hpa") == []
    assert not changed(place, fixed(place, 3))


def test_what_was_stopped_goes_on_as_it_was(place: Place) -> None:
    deployed(place, fixed(place, 3))
    deployed(place, scaled(place))
    place.target().stop(["web"])
    assert count(place) == 0
    deployed(place, scaled(place, version="2"))
    assert count(place) == 3
    note = place.kubectl("get", "deployment", "web", "-o", "jsonpath={.metadata.annotations}")
    assert "stopped" not in note
    assert not changed(place, scaled(place, version="2"))


def test_what_was_stopped_at_a_written_count_goes_on_and_is_not_noted_any_more(
    place: Place,
) -> None:
    deployed(place, fixed(place, 2))
    place.target().stop(["web"])
    deployed(place, fixed(place, 1))
    assert count(place) == 1
    note = place.kubectl("get", "deployment", "web", "-o", "jsonpath={.metadata.annotations}")
    assert "stopped" not in note


def test_a_schedule_that_was_stopped_goes_on(place: Place) -> None:
    timed = {"schedule": "rate(1 hour)"}
    desired = place.shop.desired({"web": {}, "night": {"x-shipit": timed}})
    desired = replace(desired, services=("web",), scheduled=("night",))
    both = Succeeded(dict.fromkeys(("web", "night"), IMAGES["1"].digest))
    assert place.deploy(desired)[2] == both
    place.target().stop(["night"])
    assert place.target().observe().services["night"].health is Health.STOPPED
    plan, _, outcome = place.deploy(desired)
    assert [c.action for c in plan.changes if c.service == "night"] == [Action.UPDATE]
    assert outcome == both
    assert place.target().observe().services["night"].health is Health.HEALTHY
    assert not changed(place, desired)
