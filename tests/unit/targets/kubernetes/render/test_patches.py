"""`x-kubernetes.patch`: what neither Compose nor x-kubernetes has words for."""

from typing import Any

import pytest

from tests.unit.targets.kubernetes.render.conftest import Refused, Render

SERVICE = {"ports": [{"target": 80}], "environment": {"A": "1"}}


def test_it_is_merged_by_kind_and_by_kubernetes_own_keys(web: Render) -> None:
    pod = {
        "containers": [
            {"name": "web", "env": [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}]}
        ],
        "volumes": [{"name": "extra", "emptyDir": {}}],
        "terminationGracePeriodSeconds": 5,
    }
    patch = {
        "Deployment": {"spec": {"template": {"spec": pod}, "minReadySeconds": None}},
        "Service": {
            "spec": {"ports": [{"port": 80, "appProtocol": "http"}], "sessionAffinity": "ClientIP"}
        },
    }
    made = web(**SERVICE, **{"x-kubernetes": {"patch": patch}})
    assert made.container()["env"] == [
        {"name": "A", "value": "2"},
        {"name": "B", "value": "3"},
    ]
    assert "@sha256:" in made.container()["image"]
    assert made.pod()["volumes"] == [{"name": "extra", "emptyDir": {}}]
    assert made.pod()["terminationGracePeriodSeconds"] == 5
    assert "minReadySeconds" not in made.of("Deployment")["spec"]
    [port] = made.of("Service")["spec"]["ports"]
    assert (port["name"], port["appProtocol"]) == ("tcp-80", "http")


def test_a_port_of_a_container_goes_by_its_own_number(web: Render) -> None:
    one = {"name": "web", "ports": [{"containerPort": 80, "hostPort": 8080}]}
    patch = {"Deployment": {"spec": {"template": {"spec": {"containers": [one]}}}}}
    made = web(**SERVICE, **{"x-kubernetes": {"patch": patch}})
    [port] = made.container()["ports"]
    assert (port["name"], port["hostPort"]) == ("tcp-80", 8080)


def test_workloads_are_followed_as_they_are_patched(web: Render) -> None:
    patch = {"Deployment": {"spec": {"replicas": 7}}}
    made = web(**{"x-kubernetes": {"patch": patch}})
    assert made.rendered.workloads["web"]["spec"]["replicas"] == 7


@pytest.mark.parametrize(
    ("patch", "path"),
    [
        (
            {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "evil"}]}}}},
            "spec.template.spec.containers[0].image",
        ),
        ({"spec": {"template": {"spec": {"containers": None}}}}, ""),
        ({"spec": {"template": {"spec": {"containers": [{"name": "more"}]}}}}, ""),
        ({"spec": {"template": {"spec": {"initContainers": [{"name": "more"}]}}}}, ""),
        ({"spec": {"template": {"spec": {"containers": {"a": "b"}}}}}, ""),
        ({"spec": {"template": None}}, ""),
        ({"spec": None}, ""),
        (
            {"spec": {"template": {"spec": {"containers": [{"args": ["x"]}]}}}},
            "spec.template.spec.containers[0]",
        ),
        ({"metadata": {"name": "other"}}, "metadata.name"),
        ({"metadata": {"namespace": "other"}}, "metadata.namespace"),
        ({"kind": "Pod"}, "kind"),
        ({"spec": {"selector": {"matchLabels": {"a": "b"}}}}, "spec.selector"),
        (
            {"spec": {"template": {"metadata": {"labels": {"shipit.dev/service": "other"}}}}},
            "spec.template.metadata.labels.shipit.dev/service",
        ),
        ({"metadata": {"labels": None}}, ""),
        ({"metadata": None}, ""),
        ({"spec": {"template": {"metadata": None}}}, ""),
        (
            {"spec": {"template": {"spec": {"volumes": [{"name": "v", "image": {}}]}}}},
            "spec.template.spec.volumes[0].image",
        ),
    ],
)
def test_what_makes_a_release_cannot_be_patched(
    refused: Refused, patch: dict[str, Any], path: str
) -> None:
    error = refused({"web": {**SERVICE, "x-kubernetes": {"patch": {"Deployment": patch}}}})
    where = ".".join(p for p in ("services.web.x-kubernetes.patch.Deployment", path) if p)
    assert error.path == where


def test_a_kind_that_the_service_does_not_have(refused: Refused) -> None:
    error = refused({"web": {"x-kubernetes": {"patch": {"Deploymnt": {}}}}})
    assert error.path == "services.web.x-kubernetes.patch.Deploymnt"
    assert "did you mean Deployment?" in str(error)
    assert error.why == "it has: Service, Deployment"
    assert error.next_step == "a patch is said by kind: `patch: {Deployment: {spec: …}}`"


@pytest.mark.parametrize(
    ("patch", "path", "what"),
    [
        ({"Deployment": {"spec": {"paused": True}}}, "Deployment.spec.paused", "roll out"),
        (
            {"StatefulSet": {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}}},
            "StatefulSet.spec.updateStrategy.rollingUpdate.partition",
            "the pods below number 2",
        ),
        (
            {"StatefulSet": {"spec": {"updateStrategy": {"type": "OnDelete"}}}},
            "StatefulSet.spec.updateStrategy.type",
            "until somebody deletes them",
        ),
    ],
)
def test_what_keeps_old_pods_is_refused(
    refused: Refused, patch: dict[str, Any], path: str, what: str
) -> None:
    """Failure mode 15: such a rollout is never complete."""
    data = {"volumes": [{"type": "volume", "source": "data", "target": "/d"}]}
    definition = {**(data if "StatefulSet" in patch else {}), "x-kubernetes": {"patch": patch}}
    error = refused({"web": definition}, volumes={"data": {}})
    assert error.path == f"services.web.x-kubernetes.patch.{path}"
    assert what in error.what
