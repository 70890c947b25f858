"""A team's own manifests, as they are deployed."""

from typing import Any

import msgspec
import pytest

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.render import job, render
from tests.unit.targets.kubernetes.render.conftest import SETTING, desired, image

Json = dict[str, Any]
CHART = {"app.kubernetes.io/name": "chart", "app.kubernetes.io/instance": "release"}


def deployment(name: str = "front", kind: str = "Deployment", api: str = "apps/v1") -> Json:
    """As a chart makes one: the recommended labels are in its selector."""
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "labels": {**CHART, "app.kubernetes.io/managed-by": "Helm"}},
        "spec": {
            "selector": {"matchLabels": CHART},
            "template": {
                "metadata": {"labels": dict(CHART)},
                "spec": {
                    "serviceAccountName": "front",
                    "containers": [
                        {
                            "name": "app",
                            "image": image(name).reference,
                            "ports": [{"containerPort": 80}],
                            "livenessProbe": {"tcpSocket": {"port": 80}},
                        },
                        {"name": "sidecar", "image": image(name).reference},
                    ],
                },
            },
        },
    }


def adopted(*objects: Json) -> Any:
    wanted = desired({"front": {}, "migrate": {"x-shipit": {"run": "before"}}}, deployment="9")
    return msgspec.structs.replace(wanted, source=objects)


def test_they_are_found_by_shipits_labels_and_keep_their_own() -> None:
    theirs = deployment()
    [one] = render(adopted(theirs), SETTING).objects
    ours = {names.NAME: "front", names.INSTANCE: "shop-dev"}
    assert {**CHART, **ours}.items() <= one["metadata"]["labels"].items()
    assert one["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "shipit"
    assert one["spec"]["template"]["metadata"]["labels"] == {**CHART, **ours}
    assert one["spec"]["selector"] == {"matchLabels": CHART}
    assert one["metadata"]["annotations"] == {
        "shipit.dev/release": "r1",
        "shipit.dev/digest": str(image("front").digest),
        "shipit.dev/deployment": "9",
    }
    assert theirs == deployment()


def test_what_keeps_pods_running_is_followed() -> None:
    rollout = deployment("back", "Rollout", "argoproj.io/v1alpha1")
    canary = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "front"},
        "spec": {"targetRef": {"kind": "Deployment", "name": "front"}},
    }
    found = render(adopted(deployment(), rollout, canary), SETTING)
    assert set(found.workloads) == {"front", "back"}
    assert [o["kind"] for o in found.objects] == ["Deployment", "Rollout", "Canary"]
    assert found.workloads["back"] in found.objects


def test_two_of_a_name_are_two_services() -> None:
    found = render(adopted(deployment(), deployment(kind="StatefulSet")), SETTING)
    assert set(found.workloads) == {"deployment.front", "statefulset.front"}
    for service, one in found.workloads.items():
        assert one["metadata"]["labels"][names.NAME] == service
        assert one["spec"]["template"]["metadata"]["labels"][names.NAME] == service


def test_pods_of_their_schedules_are_found_too() -> None:
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {
            "schedule": "0 3 * * *",
            "jobTemplate": {"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}},
        },
    }
    [one] = render(adopted(cron), SETTING).objects
    template = one["spec"]["jobTemplate"]["spec"]["template"]
    assert template["metadata"]["labels"][names.NAME] == "nightly"


def test_a_rollout_that_runs_a_deployment_is_of_its_service() -> None:
    rollout = deployment("canary", "Rollout", "argoproj.io/v1alpha1")
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "front"}
    rollout["spec"] = {"workloadRef": reference}
    found = render(adopted(rollout, deployment()), SETTING)
    assert set(found.workloads) == {"front"}
    assert {o["metadata"]["labels"][names.NAME] for o in found.objects} == {"front"}


def test_a_workload_of_another_namespace_is_refused_by_its_path() -> None:
    """Nobody would see its pods; what runs nothing may be anywhere."""
    theirs, monitor = deployment(), {**deployment(), "kind": "ServiceMonitor"}
    theirs["metadata"]["namespace"] = SETTING.namespace
    monitor["metadata"] = {"name": "m", "namespace": "monitoring"}
    assert len(render(adopted(theirs, monitor), SETTING).objects) == 2
    theirs["metadata"]["namespace"] = "back"
    with pytest.raises(ConfigurationError) as caught:
        render(adopted(theirs), SETTING)
    assert caught.value.path == "Deployment/front.metadata.namespace"
    assert "it would run in back, and the target's namespace is shop" in str(caught.value)


def test_a_command_runs_as_their_pods_do() -> None:
    made = job(adopted(deployment()), "front", SETTING, key="1", command=["ls", "/"])
    pod = made["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "front"
    assert pod["restartPolicy"] == "Never"
    [one] = pod["containers"]
    assert (one["image"], one["args"]) == (image("front").reference, ["ls", "/"])
    assert "livenessProbe" not in one
    # No selector of theirs finds it.
    assert not CHART.items() <= made["spec"]["template"]["metadata"]["labels"].items()


def test_a_one_off_is_still_composes() -> None:
    made = job(adopted(deployment()), "migrate", SETTING, key="1")
    [one] = made["spec"]["template"]["spec"]["containers"]
    assert one["image"] == image("migrate").reference
