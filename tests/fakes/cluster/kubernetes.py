"""The cluster that tests speak with: our own control plane, or whichever is named by kubeconfig."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shipit.model.pipeline import KubernetesTarget
from shipit.targets.kubernetes.reach import reach
from tests.fakes.cluster.api import Api, RefusedError
from tests.fakes.cluster.node import FakeNode
from tests.fakes.cluster.plane import Plane, running

_KUBECTL = Path(sys.prefix, "bin/kubectl")  # the wheel's, as new as the API server


class Cluster:
    """`plane` and `node` are None where the cluster is not our own."""

    def __init__(
        self, kubeconfig: Path, api: Api, plane: Plane | None = None, node: FakeNode | None = None
    ) -> None:
        self.kubeconfig, self.api, self.plane, self.node = kubeconfig, api, plane, node

    def kubectl(self, *words: str, stdin: str = "", check: bool = True) -> str:
        """What it prints (its errors too, unless it has to end well)."""
        argv = [str(_KUBECTL), f"--kubeconfig={self.kubeconfig}", *words]
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=120, check=False
        )
        assert not check or done.returncode == 0, f"{argv[2:]}: {done.stderr}"
        return done.stdout if check else done.stdout + done.stderr

    @contextmanager
    def namespace(self, name: str = "", **labels: str) -> Iterator[str]:
        """A namespace of the test's own, ready for pods."""
        name = name or f"t{uuid.uuid4().hex[:8]}"
        made = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }
        self.api.post("/api/v1/namespaces", made)
        self._wait_for_account(name)
        try:
            yield name
        finally:
            with suppress(RefusedError):
                self.api.delete(f"/api/v1/namespaces/{name}")

    def context(self, namespace: str, folder: Path) -> Path:
        """A kubeconfig whose context has this namespace."""
        found = json.loads(self.kubeconfig.read_text())
        found["contexts"][0]["context"]["namespace"] = namespace
        path = folder / f"kubeconfig-{namespace}"
        path.write_text(json.dumps(found))
        path.chmod(0o600)
        return path

    def _wait_for_account(self, namespace: str) -> None:
        """Pods are refused until the namespace's own account is there."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        for event in self.api.watch(path, timeout=60, fieldSelector="metadata.name=default"):
            if event["type"] == "ADDED":
                return
        raise AssertionError(f"{namespace} got no ServiceAccount within a minute")


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """For a whole session. A cluster by SHIPIT_TEST_KUBECONFIG is used as it is, nodes and all."""
    named = os.environ.get("SHIPIT_TEST_KUBECONFIG")
    if named:
        path = Path(named).absolute()
        access = reach(KubernetesTarget(kubeconfig=str(path)), root="/", environment="test")
        api = Api(access.server, access.tls(), access.authorization(False))
        yield Cluster(path, api)
        api.close()
        return
    with running(folder) as plane, FakeNode(plane) as node:
        yield Cluster(plane.kubeconfig, plane.api, plane, node)
