"""A real kubelet over a real containerd: images pulled by digest, probes, logs, exec."""

import json
from pathlib import Path

import pytest

from tests.fakes.cluster.kubernetes import Cluster
from tests.fakes.engine import SH, pushed

pytestmark = [pytest.mark.cluster, pytest.mark.engine]


def test_pods_are_real_and_report_the_digest_that_was_asked_for(
    kubelet_cluster: Cluster, tmp_path: Path
) -> None:
    with pushed(tmp_path, "1") as images, kubelet_cluster.namespace() as space:
        reference = images["1"].reference
        container = {
            "name": "web",
            "image": reference,
            "args": [*SH, "echo ready; exec /bin/busybox httpd -f -p 80 -h /www"],
            "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1},
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web"},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
        }
        kubelet_cluster.kubectl("-n", space, "create", "-f", "-", stdin=json.dumps(pod))
        wait = ("-n", space, "wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
        kubelet_cluster.kubectl(*wait)
        found = kubelet_cluster.api.get(f"/api/v1/namespaces/{space}/pods/web")
        # Of the names that a node knows an image by, it may report any: the digest is what counts.
        reported = found["status"]["containerStatuses"][0]["imageID"]
        assert reported.partition("@")[2] == reference.partition("@")[2]
        assert kubelet_cluster.kubectl("-n", space, "logs", "web") == "ready\n"
        told = ("-n", space, "exec", "web", "--", "/bin/busybox", "cat", "/www/index.html")
        assert kubelet_cluster.kubectl(*told) == "version 1\n"
