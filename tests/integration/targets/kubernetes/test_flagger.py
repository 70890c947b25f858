"""Flagger's part played on the real control plane, over a workload that compose.yaml describes.

What Flagger does to it is from its source (fluxcd/flagger, pkg/canary/deployment_controller.go): it
copies the Deployment to `web-primary` with another value of one label, scales the one that it
copied to 0, and moves its Canary's status for a new template alone.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shipit.model.deployment import Health
from shipit.model.progress import Outcome, Progress, RolledBack, Succeeded
from tests.fakes.cluster.story import runs
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = pytest.mark.cluster
Json = dict[str, Any]
CRD: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "canaries.flagger.app"},
    "spec": {
        "group": "flagger.app",
        "names": {"kind": "Canary", "plural": "canaries"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}
CANARY: Json = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "of-the-platform-team"},
    "spec": {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
}


class Flagger:
    """Of one namespace, in which web is at version 1 and promoted."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def initialize(self) -> None:
        self.place.kubectl("create", "-f", "-", stdin=CANARY)
        web = json.loads(self.place.kubectl("get", "deployment", "web", "-o", "json"))
        labels = {**web["spec"]["template"]["metadata"]["labels"]}
        labels["shipit.dev/service"] = "web-primary"
        web["spec"]["template"]["metadata"] = {
            "labels": labels,
            "annotations": {"flagger-id": "1"},
        }
        web["spec"]["selector"] = {"matchLabels": {"shipit.dev/service": "web-primary"}}
        web["metadata"] = {"name": "web-primary"}
        self.place.kubectl("create", "-f", "-", stdin=web)
        self.place.kubectl("rollout", "status", "deployment/web-primary", "--timeout=60s")
        self.rest()
        self.place.kubectl("wait", "--for=delete", "pod", "-l", "shipit.dev/service=web")
        self.says("Initialized")

    def promote(self, version: str) -> None:
        image = f"web={IMAGES[version].reference}"
        self.says("Promoting")
        self.place.kubectl("set", "image", "deployment/web-primary", image)
        self.place.kubectl("rollout", "status", "deployment/web-primary", "--timeout=60s")
        self.rest()
        self.says("Succeeded")

    def fail(self) -> None:
        self.rest()
        self.says("Failed")

    def rest(self) -> None:
        """By a patch: who scales to 0 by the subresource owns no field."""
        nothing = json.dumps({"spec": {"replicas": 0}})
        self.place.kubectl("patch", "deployment", "web", "--type=merge", "-p", nothing)

    def says(self, phase: str) -> None:
        """A second later than now: times are whole seconds."""
        at = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = {"status": {"phase": phase, "lastTransitionTime": at}}
        patch = ("--type=merge", "--subresource=status", "-p", json.dumps(status))
        self.place.kubectl("patch", "canary", "of-the-platform-team", *patch)


@pytest.fixture
def flagger(place: Place) -> Iterator[Flagger]:
    place.kubectl("create", "-f", "-", stdin=CRD)
    name = CRD["metadata"]["name"]
    place.kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
    try:
        place.when(runs("hello"), "1")
        place.deploy(place.desired("web"))
        made = Flagger(place)
        made.initialize()
        yield made
    finally:
        place.kubectl("delete", "crd", name)


def deploy(place: Place, version: str, then: Callable[[], None] | None = None) -> Outcome:
    """`then` happens once it is waited for Flagger. The count that Flagger set stays its own."""
    target = place.target()
    plan = target.preflight(target.plan(place.desired("web", version=version), target.observe()))
    assert plan.notes == ("Deployment/web: Flagger owns the count, so it stays",)
    rollout = target.apply(plan)
    for step in target.follow(rollout):
        if not isinstance(step, Progress):
            return step
        if then and step.message == "Flagger has not seen it yet":
            then()
            then = None
    raise AssertionError("follow ended without an outcome")


def later_than_flagger(place: Place) -> None:
    """Until what shipit writes next is later than what Flagger said last."""
    said = place.kubectl(
        *("get", "canary", "of-the-platform-team"), "-o", "jsonpath={.status.lastTransitionTime}"
    )
    while datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") <= said:
        time.sleep(0.1)


def test_a_platform_teams_canary_has_the_last_word(flagger: Flagger) -> None:
    """And the way back to what it promoted is proven although its Canary does not move for it."""
    place = flagger.place
    [role], _ = place.target().role([place.desired("web")], None)
    assert ["canaries"] in [rule["resources"] for rule in role["rules"]]
    seen = place.target().observe().services["web"]
    assert (seen.running, seen.health) == (1, Health.HEALTHY)
    assert seen.images == (IMAGES["1"].digest,)
    [row] = place.target().containers()
    assert row["service"] == "web"
    [(container, _)] = place.target().logs(["web"], follow=False, tail=1, since=None)
    assert container == row["name"]

    later_than_flagger(place)
    outcome = deploy(place, "2", lambda: flagger.promote("2"))
    assert outcome == Succeeded({"web": IMAGES["2"].digest})

    later_than_flagger(place)
    outcome = deploy(place, "3", flagger.fail)
    assert isinstance(outcome, RolledBack)
    assert outcome.reasons[0].what.startswith("Flagger went back")

    later_than_flagger(place)
    assert deploy(place, "2") == Succeeded({"web": IMAGES["2"].digest})
