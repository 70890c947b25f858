"""GKE and EKS from their own API to a proven rollout: endpoint, certificate and token are the
cloud's, and behind them is the real control plane. No kubeconfig is there, and none is written."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from google.cloud.container_v1 import Cluster as GkeCluster

from shipit.errors import PreconditionError
from shipit.model.pipeline import EksTarget, GkeTarget
from shipit.model.progress import Succeeded
from shipit.targets.kubernetes.target import KubernetesCluster
from tests.fakes.artifact_registry import ACCOUNT
from tests.fakes.cloud_door import CloudDoor
from tests.fakes.cluster.story import runs
from tests.fakes.eks import Authenticator, FakeEks
from tests.fakes.gke import FakeGke
from tests.fakes.moto import CREDENTIALS, moto_server
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = pytest.mark.cluster
NAME = "projects/acme/locations/europe-west1/clusters/prod"
KEY = CREDENTIALS["AWS_ACCESS_KEY_ID"]


class Cloud:
    """`forbid` takes the identity's access away, as a person who removes it would."""

    def __init__(
        self, door: CloudDoor, user: str, target: KubernetesCluster, forbid: Callable[[], None]
    ) -> None:
        self.door, self.user, self.target, self.forbid = door, user, target, forbid


@pytest.fixture(autouse=True)
def _no_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "home" / "none"))


@pytest.fixture
def door(place: Place, tmp_path: Path) -> Iterator[CloudDoor]:
    assert place.cluster.plane
    plane = place.cluster.plane
    with CloudDoor(tmp_path, plane.server, plane.tls(), lambda _: "") as open_:
        yield open_


@pytest.fixture
def gke(
    place: Place, door: CloudDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cloud]:
    with FakeGke(tmp_path / "google") as google:
        google.service_account(tmp_path / "key.json")
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", google.endpoint)
        google.clusters = {
            NAME: GkeCluster(
                {
                    "status": "RUNNING",
                    "endpoint": door.address.removeprefix("https://"),
                    "current_master_version": "1.36.0-gke.1",
                    "master_auth": {"cluster_ca_certificate": base64.b64encode(door.ca).decode()},
                }
            )
        }
        door.judge = google.judge
        settings = GkeTarget(
            project="acme", location="europe-west1", cluster="prod", namespace=place.namespace
        )
        made = KubernetesCluster("default", settings, "dev", "shop", "/")
        yield Cloud(door, ACCOUNT, made, lambda: setattr(door, "judge", lambda _: ""))


@pytest.fixture
def eks(
    place: Place, door: CloudDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cloud]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    with moto_server() as moto, FakeEks(moto) as fake:
        client = boto3.client("eks", region_name="eu-west-1", endpoint_url=moto)
        client.create_cluster(
            name="prod",
            roleArn="arn:aws:iam::123456789012:role/eks",
            resourcesVpcConfig={"subnetIds": []},
        )
        client.close()
        monkeypatch.setenv("AWS_ENDPOINT_URL_EKS", fake.endpoint)
        fake.doors["prod"] = (door.address, door.ca)
        secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        authenticator = Authenticator("prod", "sts.eu-west-1.amazonaws.com", {KEY: secret})
        door.judge = authenticator.judge
        settings = EksTarget(region="eu-west-1", cluster="prod", namespace=place.namespace)
        made = KubernetesCluster("default", settings, "dev", "shop", "/")

        def forbid() -> None:
            authenticator.users[KEY] = ""

        yield Cloud(door, authenticator.users[KEY], made, forbid)


@pytest.fixture(params=["gke", pytest.param("eks", marks=pytest.mark.aws)])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    found: Cloud = request.getfixturevalue(request.param)
    return found


def test_from_the_clouds_api_to_a_proven_rollout(
    place: Place, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "target", lambda: cloud.target)
    place.when(runs("hello"), "1")
    _, _, outcome = place.deploy(place.desired("web"))
    assert outcome == Succeeded({"web": IMAGES["1"].digest})
    [(_, line)] = cloud.target.logs(["web"], follow=False, tail=None, since=None)
    assert line == "hello"
    cloud.target.stop(["web"])
    cloud.target.start(["web"])
    assert "Deployment/web" in cloud.target.remove(volumes=False)
    assert set(cloud.door.let_in) == {cloud.user}
    assert cloud.door.sent_away == 0
    assert not (tmp_path / "home").exists()


def test_a_server_that_does_not_know_us_says_what_to_do(place: Place, cloud: Cloud) -> None:
    cloud.forbid()
    [reached] = cloud.target.check(None)
    assert reached.level == "error"
    assert "does not take our credentials" in reached.what
    assert "shipit rbac --env dev" in reached.next_step
    with pytest.raises(PreconditionError, match="does not take our credentials"):
        cloud.target.observe()
