"""GKE and EKS in front of the real control plane: endpoint, certificate and token are the cloud's.

settings = GkeTarget(project="acme", location="europe-west1", cluster="prod", namespace=…)
with on_gke(cluster, settings, tmp_path, monkeypatch.setenv):
    KubernetesCluster("default", settings, "dev", "shop", "/")

`environ` takes the environment variables that say where the cloud is . No kubeconfig is
there.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from google.cloud.container_v1 import Cluster as GkeCluster

from shipit.model.pipeline import EksTarget, GkeTarget
from tests.fakes.artifact_registry import ACCOUNT
from tests.fakes.cloud_door import CloudDoor
from tests.fakes.cluster.kubernetes import Cluster
from tests.fakes.eks import Authenticator, FakeEks
from tests.fakes.gke import FakeGke
from tests.fakes.moto import CREDENTIALS

Environ = Callable[[str, str], None]
_KEY = CREDENTIALS["AWS_ACCESS_KEY_ID"]


class Cloud:
    """`forbid` takes the identity's access away, as a person who removes it would."""

    def __init__(self, door: CloudDoor, user: str, forbid: Callable[[], None]) -> None:
        self.door, self.user, self.forbid = door, user, forbid


def gke_target(namespace: str, cluster: str = "prod") -> GkeTarget:
    return GkeTarget(project="acme", location="europe-west1", cluster=cluster, namespace=namespace)


def eks_target(namespace: str, cluster: str = "prod") -> EksTarget:
    return EksTarget(region="eu-west-1", cluster=cluster, namespace=namespace)


@contextmanager
def _opened(cluster: Cluster, folder: Path, environ: Environ) -> Iterator[CloudDoor]:
    assert cluster.plane
    environ("HOME", str(folder / "home"))
    environ("KUBECONFIG", str(folder / "home" / "none"))
    with CloudDoor(folder, cluster.plane.server, cluster.plane.tls(), lambda _: "") as door:
        yield door


@contextmanager
def on_gke(
    cluster: Cluster, settings: GkeTarget, folder: Path, environ: Environ
) -> Iterator[Cloud]:
    with _opened(cluster, folder, environ) as door, FakeGke(folder / "google") as google:
        google.service_account(folder / "key.json")
        environ("CLOUDSDK_CONFIG", str(folder / "gcloud"))
        environ("GOOGLE_APPLICATION_CREDENTIALS", str(folder / "key.json"))
        environ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", google.endpoint)
        (folder / "google.pem").write_bytes(door.ca)
        environ("SSL_CERT_FILE", str(folder / "google.pem"))  # one of the public ones, there
        host = door.address.removeprefix("https://")
        place = f"projects/{settings.project}/locations/{settings.location}"
        google.clusters = {
            f"{place}/clusters/{settings.cluster}": GkeCluster(
                {
                    "status": "RUNNING",
                    "endpoint": host,
                    "control_plane_endpoints_config": {
                        "dns_endpoint_config": {"endpoint": host, "allow_external_traffic": True}
                    },
                    "current_master_version": "1.36.0-gke.1",
                    "master_auth": {"cluster_ca_certificate": base64.b64encode(door.ca).decode()},
                }
            )
        }
        door.judge = google.judge
        yield Cloud(door, ACCOUNT, lambda: setattr(door, "judge", lambda _: ""))


@contextmanager
def on_eks(
    cluster: Cluster, settings: EksTarget, folder: Path, environ: Environ, moto: str
) -> Iterator[Cloud]:
    """`moto` is its server's endpoint: what it says of the cluster is EKS's answer."""
    for name, value in CREDENTIALS.items():
        environ(name, value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        environ(name, str(folder / name))
    with (
        _opened(cluster, folder, environ) as door,
        FakeEks(moto) as fake,
        _known_to(moto, settings),
    ):
        environ("AWS_ENDPOINT_URL_EKS", fake.endpoint)
        fake.doors[settings.cluster] = (door.address, door.ca)
        secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        sts = f"sts.{settings.region}.amazonaws.com"
        environ("AWS_ENDPOINT_URL_STS", f"https://{sts}")  # signed for, and not asked
        authenticator = Authenticator(settings.cluster, sts, {_KEY: secret})
        door.judge = authenticator.judge
        user = authenticator.users[_KEY]
        yield Cloud(door, user, lambda: authenticator.users.update({_KEY: ""}))


@contextmanager
def _known_to(moto: str, settings: EksTarget) -> Iterator[None]:
    client = boto3.client("eks", region_name=settings.region, endpoint_url=moto)
    role, name = "arn:aws:iam::123456789012:role/eks", settings.cluster
    client.create_cluster(name=name, roleArn=role, resourcesVpcConfig={"subnetIds": []})
    try:
        yield
    finally:
        client.delete_cluster(name=name)
        client.close()
