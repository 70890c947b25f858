"""Kubernetes under the contract: on the node that plays pods by script, and on a real kubelet."""

from typing import Any

from msgspec.structs import replace

from shipit.model.deployment import Desired
from shipit.model.pipeline import KubernetesTarget
from shipit.targets.interface import Target
from shipit.targets.kubernetes.target import KubernetesCluster
from tests.fakes.cluster.kubernetes import Cluster
from tests.fakes.cluster.node import FakeNode
from tests.fakes.cluster.story import ends
from tests.fakes.engine import SH, Shop, worker


class OnKubernetes:
    """One namespace. `scripts` break and end a container, wherever it runs."""

    def __init__(
        self, shop: Shop, cluster: Cluster, namespace: str, breaks: str, over: str
    ) -> None:
        self.shop = shop
        self._breaks, self._over = breaks, over
        self._settings = KubernetesTarget(
            kubeconfig=str(cluster.kubeconfig), context="test", namespace=namespace
        )

    def target(self) -> Target:
        return KubernetesCluster("default", self._settings, "dev", self.shop.app, "/")

    def desired(self, *names: str, version: str = "1", broken: str = "") -> Desired:
        services: dict[str, dict[str, Any]] = {}
        for name in names:
            task = name.startswith("task")
            script = self._breaks if name == broken else self._over if task else ""
            run = {"x-shipit": {"run": "before"}} if task else {}
            services[name] = (worker(script) if script else worker()) | run | _ALLOWED
        return replace(self.shop.desired(services, version=version), deadline=120)


# The restricted Pod Security Standard, which images of busybox alone keep with any user.
_ALLOWED: dict[str, Any] = {"user": "1000:1000", "stop_grace_period": "1s"}


def scripted(node: FakeNode, namespace: str, breaks: str, over: str) -> None:
    """What the scripts do on a node that starts nothing."""
    node.when(ends(1), namespace=namespace, command=(*SH, breaks))
    node.when(ends(0), namespace=namespace, command=(*SH, over))
