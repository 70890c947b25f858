"""Kinds, and namespaces, that come in the same deployment as what needs them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shipit.errors import PreconditionError
from shipit.model.deployment import Desired
from shipit.model.progress import Failed, Succeeded
from tests.integration.targets.kubernetes.conftest import IMAGES, Place
from tests.integration.targets.kubernetes.test_objects import config, sourced, workload

pytestmark = pytest.mark.cluster
Json = dict[str, Any]


@pytest.fixture
def group(place: Place) -> Iterator[str]:
    """A group of the test's own: definitions are the whole cluster's."""
    name = f"{place.namespace}.example.com"
    yield name
    found = place.kubectl("get", "crd", "-o", "name").split()
    ours = [one for one in found if one.endswith(f".{name}")]
    if ours:
        place.kubectl("delete", *ours, "--wait=false")


def definition(group: str, kind: str = "Widget", scope: str = "Namespaced", *short: str) -> Json:
    plural = f"{kind.lower()}s"
    free = {"type": "object", "properties": {"spec": {"type": "object", "properties": {}}}}
    free["properties"]["spec"]["properties"]["size"] = {"type": "integer"}  # type: ignore[index]
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": free}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "shortNames": list(short)},
            "versions": [version],
        },
    }


def widget(group: str, kind: str = "Widget", **spec: Any) -> Json:
    metadata = {"name": f"one-{group.partition('.')[0]}"}
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def everything(place: Place, group: str, version: str = "1") -> Desired:
    return sourced(
        place,
        widget(group, size=1),
        widget(group, "Realm", size=2),
        definition(group),
        definition(group, "Realm", "Cluster"),
        workload("Deployment", version),
        version=version,
    )


def size(place: Place, kind: str, group: str) -> str:
    return place.kubectl("get", f"{kind}.{group}", "-o", "jsonpath={.items[*].spec.size}")


def test_a_kind_and_its_objects_come_in_one_deployment(place: Place, group: str) -> None:
    desired = everything(place, group)
    plan, _, outcome = place.deploy(desired)
    name = widget(group)["metadata"]["name"]
    assert f"Widget/{name} cannot be rehearsed: this deployment brings its kind" in plan.notes
    assert f"Realm/{name} cannot be rehearsed: this deployment brings its kind" in plan.notes
    assert outcome == Succeeded({"web": IMAGES["1"].digest})
    assert (size(place, "widgets", group), size(place, "realms", group)) == ("1", "2")

    target = place.target()
    plan = target.preflight(target.plan(desired, target.observe()))
    assert not plan.changed, plan.changes
    assert plan.notes == ()


def test_an_object_that_goes_is_pruned_and_its_kind_stays(place: Place, group: str) -> None:
    """Failure mode 35: with a definition, every object of its kind in the cluster would go."""
    place.deploy(everything(place, group))
    plan, _, outcome = place.deploy(sourced(place, workload("Deployment", "2"), version="2"))
    assert isinstance(outcome, Succeeded)
    assert (size(place, "widgets", group), size(place, "realms", group)) == ("", "")
    stays = f"CustomResourceDefinition/widgets.{group} stays"
    assert any(note.startswith(stays) for note in plan.notes)
    place.target().remove(volumes=True)
    assert f"widgets.{group}" in place.kubectl("get", "crd", "-o", "name")


def test_a_field_that_comes_with_its_kinds_new_schema(place: Place, group: str) -> None:
    place.deploy(everything(place, group))
    wider = definition(group)
    schema = wider["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["properties"]["colour"] = {"type": "string"}
    desired = sourced(
        place, widget(group, size=1, colour="red"), wider, workload("Deployment", "1")
    )
    plan, _, outcome = place.deploy(desired)
    assert isinstance(outcome, Succeeded)
    assert any("this deployment changes its kind" in note for note in plan.notes)
    path = "jsonpath={.items[*].spec.colour}"
    assert place.kubectl("get", f"widgets.{group}", "-o", path) == "red"


def test_a_kind_whose_names_are_taken_is_told_in_the_servers_words(
    place: Place, group: str
) -> None:
    place.kubectl("apply", "-f", "-", stdin=definition(group, "Gadget", "Namespaced", "wg"))
    place.kubectl("wait", f"crd/gadgets.{group}", "--for=condition=established", "--timeout=30s")
    desired = sourced(
        place,
        definition(group, "Widget", "Namespaced", "wg"),
        widget(group, size=1),
        workload("Deployment", "1"),
    )
    _, _, outcome = place.deploy(desired)
    assert isinstance(outcome, Failed)
    assert '"wg" is already in use' in outcome.reasons[0].what
    assert place.names("deployment") == []
    place.target().observe()  # what is claimed and was never there is no obstacle
    place.target().remove(volumes=False)
    assert "shop-dev" not in place.kubectl("get", "configmap", "-o", "name")


def test_a_kind_that_nobody_brings_is_refused(place: Place, group: str) -> None:
    target = place.target()
    desired = sourced(place, widget(group), workload("Deployment", "1"))
    with pytest.raises(PreconditionError, match=f"no kind Widget in {group}/v1"):
        target.preflight(target.plan(desired, target.observe()))


def test_an_object_of_the_whole_cluster_whose_kind_was_there(place: Place, group: str) -> None:
    place.kubectl("apply", "-f", "-", stdin=definition(group, "Realm", "Cluster"))
    place.kubectl("wait", f"crd/realms.{group}", "--for=condition=established", "--timeout=30s")
    desired = sourced(place, widget(group, "Realm", size=2), workload("Deployment", "1"))
    assert isinstance(place.deploy(desired)[2], Succeeded)
    assert size(place, "realms", group) == "2"
    assert not place.deploy(desired)[0].changed
    assert size(place, "realms", group) == "2"


def test_a_namespace_and_what_is_in_it_come_in_one_deployment(place: Place) -> None:
    name = f"{place.namespace}-more"
    inside = config(a="1")
    inside["metadata"]["namespace"] = name
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    try:
        plan, _, outcome = place.deploy(sourced(place, space, inside, workload("Deployment", "1")))
        assert isinstance(outcome, Succeeded)
        words = "ConfigMap/settings cannot be rehearsed: this deployment brings its namespace"
        assert words in plan.notes
        found = place.cluster.kubectl("-n", name, "get", "configmap", "settings", "-o", "json")
        assert json.loads(found)["data"] == {"a": "1"}
    finally:
        place.cluster.kubectl("delete", "namespace", name, "--wait=false", check=False)


def test_what_the_server_warns_of_is_told_by_plan_and_deployment(place: Place) -> None:
    """Its `Warning` headers: Pod Security's, a deprecated version's."""
    warn = "pod-security.kubernetes.io/warn=restricted"
    place.kubectl("label", "namespace", place.namespace, warn)
    target, desired = place.target(), sourced(place, workload("Deployment", "1"))
    notes = target.preflight(target.plan(desired, target.observe())).notes
    warning = "Deployment/web: would violate PodSecurity"
    assert [note for note in notes if note.startswith(warning)]
    _, said, _ = place.deploy(desired)
    assert [step for step in said if step.message.startswith(warning)]
