"""The node without containers, as kubectl sees it: held to what a kubelet would report."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.cluster.kubernetes import Cluster
from tests.fakes.cluster.node import FakeNode
from tests.fakes.cluster.story import cannot_pull, ends, never_ready, out_of_memory, runs

pytestmark = pytest.mark.cluster
IMAGE = f"registry.test/shop/web@sha256:{'1' * 64}"
PROBE = {"httpGet": {"port": 80, "path": "/"}}


@pytest.fixture
def node(cluster: Cluster) -> Iterator[FakeNode]:
    if cluster.node is None:
        pytest.skip("this cluster has nodes of its own")
    yield cluster.node
    cluster.node.forget()


@pytest.fixture
def space(cluster: Cluster) -> Iterator[str]:
    with cluster.namespace() as name:
        yield name


def deploy(cluster: Cluster, space: str, **container: Any) -> str:
    """A Deployment `web` of one pod; its rollout's last word."""
    labels = {"app.kubernetes.io/name": "web"}
    made = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": IMAGE, **container}]},
            },
        },
    }
    cluster.kubectl("-n", space, "apply", "--server-side", "-f", "-", stdin=json.dumps(made))
    asked = ("-n", space, "rollout", "status", "deploy/web", "--timeout=2s")
    return cluster.kubectl(*asked, check=False).strip().splitlines()[-1]


def until(cluster: Cluster, space: str, path: str, value: str, seconds: int = 20) -> None:
    """Until a field of the pod has this value."""
    asked = f"--for=jsonpath={{{path}}}={value}"
    labels = "-l=app.kubernetes.io/name=web"
    cluster.kubectl("-n", space, "wait", "pod", labels, asked, f"--timeout={seconds}s")


def status(cluster: Cluster, space: str) -> dict[str, Any]:
    (pod,) = cluster.api.get(f"/api/v1/namespaces/{space}/pods")["items"]
    (found,) = pod["status"]["containerStatuses"]
    return dict(found)


def test_a_rollout_succeeds_and_the_image_is_reported_as_containerd_does(
    cluster: Cluster, node: FakeNode, space: str
) -> None:
    assert "successfully rolled out" in deploy(cluster, space)
    assert status(cluster, space)["imageID"] == IMAGE
    assert status(cluster, space)["ready"]


def test_logs_and_those_of_the_run_before(cluster: Cluster, node: FakeNode, space: str) -> None:
    node.when(runs("one", "two", "three"), namespace=space)
    deploy(cluster, space)
    logs = ("-n", space, "logs", "deploy/web")
    assert cluster.kubectl(*logs) == "one\ntwo\nthree\n"
    assert cluster.kubectl(*logs, "--tail=1") == "three\n"
    assert cluster.kubectl(*logs, "--timestamps", "--tail=1").partition(" ")[0].endswith("Z")
    assert "previous terminated container" in cluster.kubectl(*logs, "--previous", check=False)


def test_a_probe_that_never_passes(cluster: Cluster, node: FakeNode, space: str) -> None:
    node.when(never_ready(), namespace=space)
    assert "timed out" in deploy(cluster, space, readinessProbe=PROBE)
    found = status(cluster, space)
    assert (found["ready"], list(found["state"])) == (False, ["running"])
    assert "Readiness probe failed" in cluster.kubectl("-n", space, "get", "events")


@pytest.mark.parametrize(
    ("story", "reason", "last"),
    [
        (cannot_pull("not found"), "ImagePullBackOff", ""),
        (ends(1, "boom"), "CrashLoopBackOff", "Error"),
        (out_of_memory(), "CrashLoopBackOff", "OOMKilled"),
    ],
)
def test_troubles_have_the_kubelets_words(
    cluster: Cluster, node: FakeNode, space: str, story: Any, reason: str, last: str
) -> None:
    node.when(story, namespace=space)
    deploy(cluster, space)
    until(cluster, space, ".status.containerStatuses[0].state.waiting.reason", reason)
    found = status(cluster, space)["lastState"].get("terminated", {})
    assert found.get("reason", "") == last


def test_a_secret_that_is_not_there_is_waited_for(
    cluster: Cluster, node: FakeNode, space: str
) -> None:
    reference = {"secretKeyRef": {"name": "database", "key": "password"}}
    deploy(cluster, space, env=[{"name": "PASSWORD", "valueFrom": reference}])
    found = status(cluster, space)["state"]["waiting"]
    assert found["reason"] == "CreateContainerConfigError"
    assert found["message"] == 'secret "database" not found'
    made = ("create", "secret", "generic", "database", "--from-literal=password=x")
    cluster.kubectl("-n", space, *made)
    until(cluster, space, ".status.containerStatuses[0].ready", "true")


def test_what_ends_at_once_is_ready_for_a_moment(
    cluster: Cluster, node: FakeNode, space: str
) -> None:
    """As on a real kubelet, without a probe: `kubectl rollout status` takes it for a success."""
    node.when(ends(1), namespace=space)
    assert "successfully rolled out" in deploy(cluster, space)
    until(cluster, space, ".status.containerStatuses[0].ready", "false")


def test_a_job_ends_and_its_pods_are_let_go(cluster: Cluster, node: FakeNode, space: str) -> None:
    node.when(ends(0, "done"), namespace=space, container="migrate")
    cluster.kubectl("-n", space, "create", "job", "migrate", f"--image={IMAGE}")
    done = ("-n", space, "wait", "--for=condition=complete", "job/migrate", "--timeout=20s")
    assert "condition met" in cluster.kubectl(*done)
    cluster.kubectl("-n", space, "delete", "job", "migrate", "--timeout=20s")
    gone = ("-n", space, "wait", "--for=delete", "pod", "-l=job-name=migrate", "--timeout=20s")
    cluster.kubectl(*gone)
    assert cluster.api.get(f"/api/v1/namespaces/{space}/pods")["items"] == []


def test_the_node_goes_on_after_the_api_server_was_away(
    cluster: Cluster, node: FakeNode, space: str
) -> None:
    assert cluster.plane
    cluster.plane.restart()
    deploy(cluster, space)
    wait = ("-n", space, "rollout", "status", "deploy/web", "--timeout=60s")
    assert "successfully rolled out" in cluster.kubectl(*wait)
