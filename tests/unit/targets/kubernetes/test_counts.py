"""Whose count it is, told from what the API server keeps of an object. Failure mode 34."""

from typing import Any

import pytest

from shipit.targets.kubernetes import counts
from shipit.targets.kubernetes.lifecycle import STOPPED

Json = dict[str, Any]
APPLY = ("shipit", "Apply")
UPDATE = ("shipit", "Update")
AUTOSCALER = ("kube-controller-manager", "Update")


def live(count: int, *owners: tuple[str, str], note: str = "", kind: str = "Deployment") -> Json:
    fields: Json = {"f:spec": {"f:replicas": {}}}
    entries = [{"manager": m, "operation": o, "fieldsV1": fields} for m, o in owners]
    if APPLY not in owners:
        entries.append({"manager": "shipit", "operation": "Apply", "fieldsV1": {"f:spec": {}}})
    annotations = {STOPPED: note} if note else {}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "annotations": annotations, "managedFields": entries},
        "spec": {"replicas": count},
    }


def wanted(kind: str = "Deployment", **spec: Any) -> Json:
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize(
    ("there", "sent"),
    [
        (live(5, APPLY), 5),  # ours alone: left out, it would be 1
        (live(5, APPLY, AUTOSCALER), None),  # given up
        (live(7, AUTOSCALER), None),
        (live(0, APPLY), None),  # an older release's 0: an autoscaler would never begin
        (live(0, UPDATE, note="5"), 5),  # stopped
        (live(0, UPDATE, note="schedule"), 1),
        (live(3, AUTOSCALER, note="5"), None),  # started since by somebody else
        (live(0, ("kubectl", "Update")), None),
    ],
)
def test_a_count_that_is_not_said(kind: str, there: Json, sent: int | None) -> None:
    there = {**there, "kind": kind}
    found = counts.continued(wanted(kind, minReadySeconds=1), there)
    assert found["spec"] == {"minReadySeconds": 1} | ({} if sent is None else {"replicas": sent})


def test_a_count_that_is_said_is_said() -> None:
    said = wanted(replicas=2)
    assert counts.continued(said, live(5, APPLY)) is said
    assert counts.continued(said, live(0, UPDATE, note="5")) is said


@pytest.mark.parametrize(
    ("former", "sent"),
    [
        (live(7, AUTOSCALER), 7),
        (live(0, UPDATE, note="5"), 5),
        (live(0, APPLY), None),
        (None, None),
    ],
)
def test_what_comes_in_the_place_of_another_has_its_count(
    former: Json | None, sent: int | None
) -> None:
    found = counts.inherited(wanted("StatefulSet"), former)
    assert found["spec"] == ({} if sent is None else {"replicas": sent})
    assert counts.inherited(wanted("StatefulSet", replicas=1), former)["spec"] == {"replicas": 1}
    assert counts.inherited(wanted("DaemonSet"), former)["spec"] == {}


def test_what_has_no_count() -> None:
    agent = wanted("DaemonSet")
    assert counts.continued(agent, live(0, note="1", kind="DaemonSet")) is agent


@pytest.mark.parametrize(
    ("suspended", "note", "goes_on"),
    [(True, "schedule", True), (True, "", False), (False, "schedule", False)],
)
def test_a_schedule_goes_on_when_stop_suspended_it(
    suspended: bool, note: str, goes_on: bool
) -> None:
    """Suspended by somebody else, it stays so."""
    there = live(0, note=note) | {"apiVersion": "batch/v1", "kind": "CronJob"}
    there["spec"] = {"suspend": suspended}
    said = {**wanted("CronJob", schedule="@daily"), "apiVersion": "batch/v1"}
    assert ("suspend" in counts.continued(said, there)["spec"]) is goes_on
