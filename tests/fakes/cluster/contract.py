"""Kubernetes under the contract: on the node that plays pods by script, reached by a kubeconfig or
as GKE and EKS are, and on a real kubelet."""

from typing import Any

from msgspec.structs import replace

from shipit.model.deployment import Desired
from shipit.model.pipeline import EksTarget, GkeTarget, KubernetesTarget
from shipit.targets.interface import Target
from shipit.targets.kubernetes.target import KubernetesCluster
from tests.fakes.cluster.kubernetes import Cluster
from tests.fakes.cluster.node import FakeNode
from tests.fakes.cluster.story import ends
from tests.fakes.engine import SH, Shop, worker

Scripts = tuple[str, str]  # what breaks, and what ends well


class OnKubernetes:
    """One namespace. The scripts break and end a container, wherever it runs."""

    def __init__(
        self, shop: Shop, settings: KubernetesTarget | GkeTarget | EksTarget, scripts: Scripts
    ) -> None:
        self.shop, self._settings = shop, settings
        self._breaks, self._over = scripts

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


def by_kubeconfig(cluster: Cluster, namespace: str) -> KubernetesTarget:
    return KubernetesTarget(kubeconfig=str(cluster.kubeconfig), context="test", namespace=namespace)


def scripted(node: FakeNode, namespace: str, scripts: Scripts) -> None:
    """What the scripts do on a node that starts nothing."""
    breaks, over = scripts
    node.when(ends(1), namespace=namespace, command=(*SH, breaks))
    node.when(ends(0), namespace=namespace, command=(*SH, over))
