"""The targets that the contract is held against, each as a bench that can break a service."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import DockerTarget, EcsTarget
from shipit.model.progress import Reason
from shipit.targets.docker import follow
from shipit.targets.docker.target import DockerEngine
from shipit.targets.ecs.target import EcsCluster
from shipit.targets.interface import Target
from tests.fakes.around import Around
from tests.fakes.clouds import eks_target, gke_target, on_eks, on_gke
from tests.fakes.cluster.contract import OnKubernetes, by_kubeconfig, scripted
from tests.fakes.cluster.kubernetes import Cluster
from tests.fakes.ecs import SimulatedEcs, ends, runs
from tests.fakes.engine import SH, Shop, pushed, worker
from tests.fakes.ministack import ministack, runs_containers
from tests.fakes.moto import CREDENTIALS, moto_server
from tests.fakes.target import FakeTarget

BREAKS, ENDS = "exit 1", "echo done"
ECR = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/web"


class Bench:
    """`target` is a new object each time, over the same world."""

    def __init__(self, shop: Shop, root: Path) -> None:
        self.shop, self._root = shop, root

    def target(self) -> Target:
        return DockerEngine("default", DockerTarget(), "dev", self.shop.app, str(self._root))

    def desired(self, *names: str, version: str = "1", broken: str = "") -> Desired:
        """Services of these names; `broken` dies at start; a `task-…` is run before the others."""
        services = {n: self.service(BREAKS if n == broken else "") for n in names}
        for name in names:
            if name.startswith("task"):
                run = {"x-shipit": {"run": "before"}}
                services[name] = self.service(BREAKS if name == broken else ENDS) | run
        return self.made(self.shop.desired(services, version=version), broken)

    def service(self, script: str) -> dict[str, Any]:
        return worker(script) if script else worker()

    def made(self, desired: Desired, broken: str) -> Desired:
        return desired


class InMemory(Bench):
    def __init__(self, shop: Shop, root: Path) -> None:
        super().__init__(shop, root)
        self._fake = FakeTarget()

    def target(self) -> Target:
        return self._fake

    def made(self, desired: Desired, broken: str) -> Desired:
        if broken:
            self._fake.failures[str(desired.release)] = (Reason(broken, "exited with code 1"),)
            self._fake.broken_tasks[broken] = (Reason(broken, "ended with exit code 1"),)
        return desired


class OnEcs(Bench):
    """On EC2 capacity, which both the simulation and ministack have without a network."""

    settings = EcsTarget(region="eu-west-1", cluster="prod", launch_type="ec2")

    def target(self) -> Target:
        return EcsCluster("default", self.settings, "dev", self.shop.app, "/")

    def service(self, script: str) -> dict[str, Any]:
        return super().service(script) | {"mem_limit": "67108864"}

    def made(self, desired: Desired, broken: str) -> Desired:
        """A rolling update takes its time on ECS."""
        return replace(desired, deadline=600)


class OnSimulatedEcs(OnEcs):
    """Its clock moves as the target pauses."""

    def __init__(self, shop: Shop, root: Path, sim: SimulatedEcs) -> None:
        super().__init__(shop, root)
        self._sim = sim
        does = runs().with_command((*SH, BREAKS), ends(1)).with_command((*SH, ENDS), ends(0))
        for image in shop.images.values():
            sim.images[image.reference] = does

    def target(self) -> Target:
        return EcsCluster(
            "default",
            self.settings,
            "dev",
            self.shop.app,
            "/",
            clock=lambda: self._sim.world.now,
            pause=self._sim.clock.advance,
        )


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Image]]:
    with pushed(tmp_path_factory.mktemp("images"), "1", "2") as found:
        yield found


@pytest.fixture(scope="session")
def amazons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """ministack's endpoint, its containers on the real engine."""
    if not runs_containers():
        pytest.skip("ministack cannot start containers: `scripts/ground --tests` installs it")
    engine = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    with ministack(tmp_path_factory.mktemp("ministack"), engine=engine) as endpoint:
        yield endpoint


@pytest.fixture
def memory(tmp_path: Path) -> Bench:
    return InMemory(Shop(_known("registry.test/web")), tmp_path)


@pytest.fixture
def docker(images: dict[str, Image], tmp_path: Path) -> Iterator[Bench]:
    shop = Shop(images)
    yield Bench(shop, tmp_path)
    shop.clean()


@pytest.fixture
def simulated_ecs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with SimulatedEcs(clusters=["prod"]) as sim, Around() as around:
        _speak_to(monkeypatch, around.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", sim.endpoint)
        yield OnSimulatedEcs(Shop(_known(ECR)), tmp_path, sim)


@pytest.fixture
def ministack_ecs(
    amazons: str, images: dict[str, Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    import boto3

    _speak_to(monkeypatch, amazons)
    ecs = boto3.client("ecs", region_name="eu-west-1")
    ecs.create_cluster(clusterName="prod")
    ecs.close()
    bench = OnEcs(Shop(images), tmp_path)
    yield bench
    cast("EcsCluster", bench.target()).remove(volumes=True)


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """In a cluster whose node does what the scripts say."""
    if cluster.node is None:
        pytest.skip("this cluster's nodes cannot be told what containers do")
    with cluster.namespace() as space:
        scripted(cluster.node, space, (BREAKS, ENDS))
        yield space
        cluster.node.forget()


@pytest.fixture
def kubernetes(cluster: Cluster, namespace: str) -> OnKubernetes:
    settings = by_kubeconfig(cluster, namespace)
    return OnKubernetes(Shop(_known("registry.test/web")), settings, (BREAKS, ENDS))


@pytest.fixture
def gke(
    cluster: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OnKubernetes]:
    settings = gke_target(namespace)
    with on_gke(cluster, settings, tmp_path, monkeypatch.setenv):
        yield OnKubernetes(Shop(_known("registry.test/web")), settings, (BREAKS, ENDS))


@pytest.fixture
def eks(
    cluster: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moto: str
) -> Iterator[OnKubernetes]:
    settings = eks_target(namespace)
    with on_eks(cluster, settings, tmp_path, monkeypatch.setenv, moto):
        yield OnKubernetes(Shop(_known("registry.test/web")), settings, (BREAKS, ENDS))


@pytest.fixture
def kubelet(kubelet_cluster: Cluster, images: dict[str, Image]) -> Iterator[OnKubernetes]:
    with kubelet_cluster.namespace() as space:
        settings = by_kubeconfig(kubelet_cluster, space)
        yield OnKubernetes(Shop(images), settings, (BREAKS, ENDS))


@pytest.fixture(
    params=[
        "memory",
        pytest.param("simulated_ecs", id="ecs simulated"),
        pytest.param("docker", marks=pytest.mark.engine),
        pytest.param("kubernetes", marks=pytest.mark.cluster),
        pytest.param("gke", marks=pytest.mark.cluster),
        pytest.param("eks", marks=[pytest.mark.cluster, pytest.mark.aws]),
        pytest.param("kubelet", marks=[pytest.mark.cluster, pytest.mark.engine, pytest.mark.slow]),
        pytest.param(
            "ministack_ecs",
            id="ecs ministack",
            marks=[pytest.mark.engine, pytest.mark.aws, pytest.mark.slow],
        ),
    ]
)
def bench(request: pytest.FixtureRequest) -> Bench | OnKubernetes:
    found: Bench | OnKubernetes = request.getfixturevalue(request.param)
    return found


@pytest.fixture(autouse=True)
def settled_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it must stay up is held by the unit tests; here it would only be waited for."""
    monkeypatch.setattr(follow, "SETTLE", 0.3)


def _known(repository: str) -> dict[str, Image]:
    return {v: Image(repository, Digest.of(v.encode())) for v in "12"}


def _speak_to(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
