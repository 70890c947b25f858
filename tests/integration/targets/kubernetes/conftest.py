"""One environment in a namespace of the test's own, on the real control plane."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from shipit.model.deployment import Desired, Plan
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import KubernetesTarget
from shipit.model.progress import Outcome, Progress
from shipit.targets.kubernetes.target import KubernetesCluster
from tests.fakes.cluster.kubernetes import Cluster
from tests.fakes.cluster.proxy import ApiProxy
from tests.fakes.cluster.story import Story
from tests.fakes.engine import Shop

Json = dict[str, Any]
IMAGES = {v: Image("registry.test/web", Digest.of(v.encode())) for v in "123"}


class Place:
    """`target()` is a new object each time, over the same namespace."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.shop = Shop(IMAGES)
        self.shop.app = "shop"
        self.kubeconfig = cluster.context(namespace, folder)

    def target(self, *, force_conflicts: bool = False) -> KubernetesCluster:
        settings = KubernetesTarget(
            kubeconfig=str(self.kubeconfig), force_conflicts=force_conflicts
        )
        return KubernetesCluster("default", settings, "dev", "shop", "/")

    def desired(self, *services: str, version: str = "1", **more: Any) -> Desired:
        """Services of these names; what else is said goes to each of them."""
        deadline = more.pop("deadline", 30.0)
        made = {name: {"command": ["serve"], **more} for name in services}
        return self.shop.desired(made, version=version, deadline=deadline)

    def deploy(
        self, desired: Desired, *, meanwhile: Callable[[Progress], None] = lambda _: None
    ) -> tuple[Plan, list[Progress], Outcome]:
        """As delivery does it. `meanwhile` hears each step as it comes."""
        target = self.target()
        plan = target.plan(desired, target.observe())
        plan = target.preflight(plan)
        said: list[Progress] = []
        for step in target.follow(target.apply(plan)):
            if not isinstance(step, Progress):
                return plan, said, step
            said.append(step)
            meanwhile(step)
        raise AssertionError("follow ended without an outcome")

    def kubectl(self, *words: str, stdin: Json | None = None, check: bool = True) -> str:
        text = json.dumps(stdin) if stdin else ""
        return self.cluster.kubectl("-n", self.namespace, *words, stdin=text, check=check)

    def names(self, kind: str) -> Sequence[str]:
        return self.kubectl("get", kind, "-o", "name").split()

    def when(self, does: Story, version: str, service: str = "") -> None:
        """From now on, what a container of that version does."""
        assert self.cluster.node
        image = IMAGES[version].reference
        self.cluster.node.when(does, service=service, image=image, namespace=self.namespace)


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path) -> Iterator[Place]:
    with cluster.namespace() as namespace:
        yield Place(cluster, namespace, tmp_path)


@pytest.fixture
def proxy(place: Place, tmp_path: Path) -> Iterator[ApiProxy]:
    """Between the place and its API server from now on; not in kubectl's way."""
    if place.cluster.plane is None:
        pytest.skip("the way to the cluster is not ours")
    with ApiProxy(tmp_path, place.cluster.plane) as found:
        place.kubeconfig = found.kubeconfig(place.namespace, tmp_path)
        yield found
