"""Every environment of every reference pipeline is planned, with the outputs that stacks/ gives.

Engines and control plane are real; the clouds are fakes that speak the real protocols."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import boto3
import msgspec
import pytest

from shipit.config import file
from shipit.delivery.planning import Planned, plan
from shipit.delivery.project import Project
from shipit.delivery.request import Request
from shipit.ledger import Ledger
from shipit.ledger.store import open_store
from shipit.model.deployment import Action
from shipit.model.events import Event, ReleaseCreated, StackProvisioned
from shipit.model.release import summarize
from shipit.policy.verdict import Held
from tests.fakes import far_engine
from tests.fakes.around import Around
from tests.fakes.clouds import eks_target, gke_target, on_eks, on_gke
from tests.fakes.cluster.kubernetes import Cluster
from tests.fakes.ecs import SimulatedEcs
from tests.fakes.moto import CREDENTIALS, moto_server
from tests.fakes.project import make_release
from tests.fakes.pulumi_engine.graph import PIPELINES, of_environment, prepared

ALL = {path.stem for path in PIPELINES.glob("*.yaml")}
EVERY = ("dev", "qa", "staging", "production")
CLUSTERS = ("shop-staging", "shop-production", "prod")


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with SimulatedEcs(clusters=CLUSTERS) as sim, Around() as around:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": around.endpoint}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", sim.endpoint)
        yield


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def namespaces(cluster: Cluster) -> Iterator[None]:
    with ExitStack() as stack:
        for name in ("shop", "shop-dev", "shop-qa", "shop-staging"):
            stack.enter_context(cluster.namespace(name))
        yield


def planned(pipeline: str, environment: str, folder: Path, app: str = "shop") -> Planned:
    """A release is on record, and the outputs that the environment's stack gives."""
    path = prepared(pipeline, folder, app)
    project = Project(file.load(path))
    project.ledger = Ledger(open_store("memory://", folder))
    made = make_release("r1", tuple(project.pipeline.environments))
    sized = {
        name: {
            **rendered,
            "services": {
                n: {**s, "mem_limit": "268435456"} for n, s in rendered["services"].items()
            },
        }
        for name, rendered in made.environments.items()
    }
    made = msgspec.structs.replace(made, environments=sized, registry=project.pipeline.registry)
    project.ledger.put_release(made)
    events: list[Event] = [ReleaseCreated(release=summarize(made))]
    if project.environment(environment).stack:
        outputs = of_environment(path, environment).outputs
        events.append(StackProvisioned(stack=environment, environment=environment, outputs=outputs))
    project.ledger.commit(lambda _: events)
    return plan(project, Request(environment, release="r1"))


def assert_creates(found: Planned, *targets: str, first: bool = False) -> None:
    """The service on each target, by its digest; held, as nothing was proven upstream."""
    assert set(found.saved.plans) == set(targets)
    for made in found.saved.plans.values():
        assert [(c.service, c.action) for c in made.changes] == [("web", Action.CREATE)]
        assert made.changes[0].image.rpartition("@")[2].startswith("sha256:")
    assert any(isinstance(v, Held) for v in found.verdicts) != first


def test_all_of_them_are_here() -> None:
    here = {pipeline for pipeline, _ in [*ON_ENGINES, *ON_ECS, *ON_GKE, *ON_EKS]}
    assert here | {"kubernetes"} == ALL


ON_ENGINES = [
    (pipeline, environment)
    for pipeline in sorted(ALL - {"kubernetes", "hybrid"})
    for environment in EVERY[:2]
]
ON_ENGINES += [("docker", "staging"), ("docker", "production"), ("hybrid", "dev")]
ON_ECS = [(p, environment) for p in ("ecs-fargate", "ecs-ec2") for environment in EVERY[2:]]
ON_GKE = [("gke", "staging"), ("gke", "production"), ("hybrid", "staging")]
ON_EKS = [("eks", "staging"), ("eks", "production")]


@pytest.mark.engine
@pytest.mark.parametrize(("pipeline", "environment"), ON_ENGINES)
def test_on_an_engine(pipeline: str, environment: str, tmp_path: Path) -> None:
    app = f"t{uuid.uuid4().hex[:8]}"  # the engine is shared
    found = planned(pipeline, environment, tmp_path, app)
    assert_creates(found, "default", first=environment == "dev")


@pytest.mark.engine
@pytest.mark.skipif(bool(far_engine.missing()), reason=far_engine.missing())
def test_on_bare_metal_over_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", far_engine.FarEngine(tmp_path, "qa.example.com").reach())
    found = planned("hybrid", "qa", tmp_path, f"t{uuid.uuid4().hex[:8]}")
    assert_creates(found, "default")


@pytest.mark.parametrize(("pipeline", "environment"), ON_ECS)
def test_on_ecs(pipeline: str, environment: str, amazon: None, tmp_path: Path) -> None:
    assert_creates(planned(pipeline, environment, tmp_path), "default")


@pytest.mark.cluster
@pytest.mark.parametrize(("pipeline", "environment"), ON_GKE)
def test_on_gke(
    pipeline: str,
    environment: str,
    cluster: Cluster,
    namespaces: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = gke_target("shop", f"shop-{environment}")
    with on_gke(cluster, there, tmp_path, monkeypatch.setenv):
        assert_creates(planned(pipeline, environment, tmp_path), "default")


@pytest.mark.cluster
@pytest.mark.aws
@pytest.mark.parametrize(("pipeline", "environment"), ON_EKS)
def test_on_eks(
    pipeline: str,
    environment: str,
    cluster: Cluster,
    namespaces: None,
    amazon: None,
    moto: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = eks_target("shop", f"shop-{environment}")
    with on_eks(cluster, there, tmp_path, monkeypatch.setenv, moto):
        assert_creates(planned(pipeline, environment, tmp_path), "default")


@pytest.mark.cluster
@pytest.mark.aws
def test_on_two_clouds_and_in_three_regions(
    cluster: Cluster,
    namespaces: None,
    amazon: None,
    moto: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", moto)
    for region in ("us-east-1", "ap-southeast-1"):
        private_network(moto, region)
    with on_eks(cluster, eks_target("shop"), tmp_path, monkeypatch.setenv, moto):
        found = planned("hybrid", "production", tmp_path)
    assert_creates(found, "eu", "us", "asia")


def private_network(endpoint: str, region: str) -> None:
    """What hybrid.yaml finds by its tags."""
    ec2 = boto3.client("ec2", region_name=region, endpoint_url=endpoint)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc)["GroupId"]
    for found, name in ((subnet, "prod-private-a"), (group, "prod-tasks")):
        ec2.create_tags(Resources=[found], Tags=[{"Key": "Name", "Value": name}])
    ec2.close()


@pytest.mark.cluster
@pytest.mark.parametrize("environment", EVERY)
def test_on_kubernetes(
    environment: str,
    cluster: Cluster,
    namespaces: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(two_contexts(cluster, tmp_path)))
    found = planned("kubernetes", environment, tmp_path)
    assert_creates(found, "default", first=environment == "dev")


def two_contexts(cluster: Cluster, folder: Path) -> Path:
    """The cluster's own kubeconfig, which knows it as production too."""
    found: Mapping[str, list[dict[str, object]]] = json.loads(cluster.kubeconfig.read_text())
    found["contexts"].append({**found["contexts"][0], "name": "production"})
    path = folder / "kubeconfig"
    path.write_text(json.dumps(found))
    path.chmod(0o600)
    return path
