"""Which object keeps a service running, and how it is rolled out."""

from typing import Any

import pytest

from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.render import Setting, render
from tests.unit.targets.kubernetes.render.conftest import Refused, Render, desired, image

PROBED = {"healthcheck": {"test": ["CMD", "true"], "interval": "5s"}}
DATA = {"volumes": [{"type": "volume", "source": "data", "target": "/data"}]}


def test_a_service_is_a_deployment_of_its_image_by_digest(web: Render) -> None:
    made = web()
    assert made.kinds == ["Service", "Deployment"]
    assert made.container()["image"] == image("web").reference
    assert "@sha256:" in made.container()["image"]
    assert made.of("Deployment")["spec"]["replicas"] == 1


def test_objects_say_whose_they_are_and_which_release_brought_them() -> None:
    wanted = desired({"web": {}}, deployment="42")
    [service, workload] = render(wanted, Setting("team")).objects
    for one in (service, workload):
        assert one["metadata"]["namespace"] == "team"
        assert one["metadata"]["labels"] == {
            names.NAME: "web",
            names.INSTANCE: "shop-dev",
            "app.kubernetes.io/name": "web",
            "app.kubernetes.io/instance": "shop-dev",
            "app.kubernetes.io/part-of": "shop",
            "app.kubernetes.io/managed-by": "shipit",
        }
        assert one["metadata"]["annotations"] == {
            "shipit.dev/release": "r1",
            "shipit.dev/digest": str(image("web").digest),
            "shipit.dev/deployment": "42",
        }


def test_a_new_release_of_the_same_image_restarts_nothing(web: Render) -> None:
    """What only says which release it is stays out of the pods' template and of the selector."""
    template = web().of("Deployment")["spec"]["template"]
    assert "annotations" not in template["metadata"]
    assert web().of("Deployment")["spec"]["selector"] == {
        "matchLabels": {names.NAME: "web", names.INSTANCE: "shop-dev"}
    }


def test_a_volume_that_one_pod_has_at_a_time_makes_a_stateful_set(rendered: Render) -> None:
    made = rendered({"db": DATA}, volumes={"data": {}})
    spec = made.of("StatefulSet")["spec"]
    assert spec["serviceName"] == "db"
    assert spec["podManagementPolicy"] == "Parallel"
    assert "volumeClaimTemplates" not in spec
    assert made.names("PersistentVolumeClaim") == ["shop-dev-data"]


def test_one_that_several_nodes_can_have_does_not(rendered: Render) -> None:
    many = {"data": {"x-kubernetes": {"access": "ReadWriteMany"}}}
    made = rendered({"web": {**DATA, "deploy": {"replicas": 3}}}, volumes=many)
    assert made.of("Deployment")["spec"]["replicas"] == 3


def test_global_is_a_daemon_set(web: Render) -> None:
    spec = web(deploy={"mode": "global"}).of("DaemonSet")["spec"]
    assert "replicas" not in spec
    assert spec["updateStrategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    update = {"order": "start-first", "parallelism": 2}
    spec = web(deploy={"mode": "global", "update_config": update}).of("DaemonSet")["spec"]
    assert spec["updateStrategy"]["rollingUpdate"] == {"maxSurge": 2, "maxUnavailable": 0}


@pytest.mark.parametrize(
    ("update", "strategy"),
    [
        ({}, ("25%", 0)),
        ({"parallelism": 2}, (2, 0)),
        ({"order": "start-first", "parallelism": 0}, ("100%", 0)),
        ({"order": "stop-first"}, (0, 1)),
        ({"order": "stop-first", "parallelism": 3}, (0, 3)),
        ({"order": "stop-first", "parallelism": 0}, None),
    ],
)
def test_update_config_is_the_strategy(
    web: Render, update: dict[str, Any], strategy: tuple[Any, Any] | None
) -> None:
    found = web(deploy={"update_config": update}).of("Deployment")["spec"]["strategy"]
    if strategy is None:
        assert found == {"type": "Recreate"}
    else:
        rolling = found["rollingUpdate"]
        assert (rolling["maxSurge"], rolling["maxUnavailable"]) == strategy


def test_what_nobody_asks_has_to_stay_up(web: Render) -> None:
    """It is ready the moment it runs, also when it ends at once."""
    assert web().of("Deployment")["spec"]["minReadySeconds"] == 2
    assert "minReadySeconds" not in web(**PROBED).of("Deployment")["spec"]


def test_monitor_and_delay_are_how_long_it_is_to_be_ready(web: Render) -> None:
    update = {"monitor": "10m", "delay": "30s"}
    spec = web(**PROBED, deploy={"update_config": update}).of("Deployment")["spec"]
    assert spec["minReadySeconds"] == 600
    assert spec["progressDeadlineSeconds"] > 600  # the API server refuses a shorter one


def test_a_volume_in_one_pod_cannot_be_in_the_new_one_first(refused: Refused) -> None:
    deploy = {"update_config": {"order": "start-first"}}
    error = refused({"db": {**DATA, "deploy": deploy}}, volumes={"data": {}})
    assert error.path == "services.db.deploy.update_config.order"


def test_who_goes_back_is_said(web: Render) -> None:
    update = {"failure_action": "rollback"}
    [note] = web(deploy={"update_config": update}).notes
    assert note.startswith("services.web.deploy.update_config.failure_action has no effect")


def test_what_others_need_comes_first(rendered: Render) -> None:
    made = rendered(
        {
            "web": {
                **DATA,
                "configs": [{"source": "site", "target": "/site"}],
                "ports": [{"target": 80}],
                "x-kubernetes": {
                    "service_account": {"annotations": {"role": "web"}},
                    "ingress": {"hosts": ["shop.test"]},
                    "route": {"gateway": "infra/public"},
                    "autoscale": {"max": 3, "cpu": 70},
                },
                "deploy": {"resources": {"reservations": {"cpus": 0.5}}},
            },
            "nightly": {"x-shipit": {"schedule": "0 3 * * *"}, "networks": {"back": None}},
        },
        configs={"site": {"content": "x"}},
        volumes={"data": {"x-kubernetes": {"access": "ReadWriteMany"}}},
        networks={"back": {"internal": True}},
    )
    assert made.kinds == [
        "ServiceAccount",
        "ConfigMap",
        "PersistentVolumeClaim",
        "Service",
        "Deployment",
        "CronJob",
        "HorizontalPodAutoscaler",
        "Ingress",
        "HTTPRoute",
        "NetworkPolicy",
        "NetworkPolicy",
    ]
