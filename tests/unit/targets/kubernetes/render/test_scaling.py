"""How many pods, and who says so."""

from typing import Any

import pytest

from tests.unit.targets.kubernetes.render.conftest import Refused, Render

RESERVED = {"resources": {"reservations": {"cpus": 0.25, "memory": "104857600"}}}


def test_the_count_of_an_autoscaled_service_is_not_sent(web: Render) -> None:
    """Failure mode 34."""
    made = web(
        deploy={**RESERVED, "replicas": 4},
        **{"x-kubernetes": {"autoscale": {"min": 2, "max": 8, "cpu": 70, "memory": 80}}},
    )
    assert "replicas" not in made.of("Deployment")["spec"]
    spec = made.of("HorizontalPodAutoscaler")["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 8)
    found = {m["resource"]["name"]: m["resource"]["target"] for m in spec["metrics"]}
    assert {name: target["averageUtilization"] for name, target in found.items()} == {
        "cpu": 70,
        "memory": 80,
    }


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"max": 3}, "autoscale"),
        ({"max": 3, "memory": 50}, "autoscale.memory"),
        ({"min": 5, "max": 3, "cpu": 50}, "autoscale.min"),
    ],
)
def test_an_autoscaler_that_could_not_work_is_refused(
    refused: Refused, said: dict[str, Any], path: str
) -> None:
    deploy = {"resources": {"reservations": {"cpus": 0.25}}}
    error = refused({"web": {"deploy": deploy, "x-kubernetes": {"autoscale": said}}})
    assert error.path == f"services.web.x-kubernetes.{path}"


def test_what_is_on_every_node_is_not_scaled(refused: Refused) -> None:
    said = {"autoscale": {"max": 3, "cpu": 50}}
    error = refused({"web": {"deploy": {**RESERVED, "mode": "global"}, "x-kubernetes": said}})
    assert error.path == "services.web.x-kubernetes.autoscale"


def test_nodes_that_are_emptied_take_one_of_several(web: Render) -> None:
    made = web(deploy={"replicas": 3})
    assert made.of("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert "PodDisruptionBudget" not in web().kinds


def test_what_scales_down_to_one_is_in_no_nodes_way(web: Render) -> None:
    said: dict[str, Any] = {"autoscale": {"max": 8, "cpu": 70}}
    made = web(deploy={**RESERVED, "replicas": 4}, **{"x-kubernetes": said})
    assert "PodDisruptionBudget" not in made.kinds
    said["autoscale"]["min"] = 2
    assert "PodDisruptionBudget" in web(deploy=RESERVED, **{"x-kubernetes": said}).kinds


def test_none_at_all_is_none(web: Render) -> None:
    assert web(deploy={"replicas": 0}).of("Deployment")["spec"]["replicas"] == 0
    assert web(scale=5).of("Deployment")["spec"]["replicas"] == 5
