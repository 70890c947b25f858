"""GKE and EKS from their own API to a proven rollout: endpoint, certificate and token are the
cloud's, and behind them is the real control plane. No kubeconfig is there, and none is written.

What a target has to do at all is held by the contract suite, over both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.errors import PreconditionError
from shipit.model.progress import Succeeded
from shipit.targets.kubernetes.target import KubernetesCluster
from tests.fakes.clouds import Cloud, eks_target, gke_target, on_eks, on_gke
from tests.fakes.cluster.story import runs
from tests.fakes.moto import moto_server
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def gke(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with on_gke(place.cluster, gke_target(place.namespace), tmp_path, monkeypatch.setenv) as found:
        yield found


@pytest.fixture
def eks(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moto: str
) -> Iterator[Cloud]:
    settings = eks_target(place.namespace)
    with on_eks(place.cluster, settings, tmp_path, monkeypatch.setenv, moto) as found:
        yield found


@pytest.fixture(params=["gke", pytest.param("eks", marks=pytest.mark.aws)])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    found: Cloud = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def target(cloud: Cloud, place: Place, request: pytest.FixtureRequest) -> KubernetesCluster:
    is_gke = request.node.callspec.params["cloud"] == "gke"
    settings = gke_target(place.namespace) if is_gke else eks_target(place.namespace)
    return KubernetesCluster("default", settings, "dev", "shop", "/")


def test_from_the_clouds_api_to_a_proven_rollout(
    place: Place,
    cloud: Cloud,
    target: KubernetesCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(place, "target", lambda: target)
    place.when(runs("hello"), "1")
    _, _, outcome = place.deploy(place.desired("web"))
    assert outcome == Succeeded({"web": IMAGES["1"].digest})
    [(_, line)] = target.logs(["web"], follow=False, tail=None, since=None)
    assert line == "hello"
    target.stop(["web"])
    target.start(["web"])
    assert "Deployment/web" in target.remove(volumes=False)
    assert set(cloud.door.let_in) == {cloud.user}
    assert cloud.door.sent_away == 0
    assert not (tmp_path / "home").exists()


def test_a_server_that_does_not_know_us_says_what_to_do(
    cloud: Cloud, target: KubernetesCluster
) -> None:
    cloud.forbid()
    [reached] = target.check(None)
    assert reached.level == "error"
    assert "does not take our credentials" in reached.what
    assert "shipit rbac --env dev" in reached.next_step
    with pytest.raises(PreconditionError, match="does not take our credentials"):
        target.observe()
