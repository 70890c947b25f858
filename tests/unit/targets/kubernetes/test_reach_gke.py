"""GKE: the endpoint that is chosen, the token that is good, and what is said when it is not."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud.container_v1 import Cluster

from shipit.errors import ConfigurationError, PreconditionError
from shipit.model.pipeline import GkeTarget
from shipit.targets.kubernetes.reach import reach
from shipit.targets.kubernetes.reach.access import Access
from tests.fakes.artifact_registry import ACCOUNT
from tests.fakes.front_door import FrontDoor
from tests.fakes.gke import FakeGke
from tests.unit.targets.kubernetes.conftest import Ask

NAME = "projects/acme/locations/europe-west1/clusters/staging"
STAGING: dict[str, Any] = {"project": "acme", "location": "europe-west1", "cluster": "staging"}


@pytest.fixture
def google(tmp_path: Path, door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGke]:
    """A service account's key is at hand; the cluster is behind the door."""
    with FakeGke(tmp_path / "google") as fake:
        key = tmp_path / "key.json"
        fake.service_account(key)
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", fake.endpoint)
        for name in ("GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"):
            monkeypatch.delenv(name, raising=False)
        fake.clusters = {NAME: staging(door)}
        door.judge = fake.judge
        yield fake


def host(door: FrontDoor) -> str:
    return door.address.removeprefix("https://")


def staging(door: FrontDoor, **more: Any) -> Cluster:
    return Cluster(
        {
            "status": "RUNNING",
            "endpoint": host(door),
            "current_master_version": "1.33.4-gke.100",
            "master_auth": {"cluster_ca_certificate": base64.b64encode(door.ca).decode()},
            **more,
        }
    )


def reached(**settings: Any) -> Access:
    return reach(GkeTarget(**{**STAGING, **settings}), root="/", environment="staging")


def test_the_clusters_own_endpoint_and_googles_token(
    google: FakeGke, door: FrontDoor, ask: Ask
) -> None:
    found = reached()
    assert ask(found) == 200
    assert door.seen[0].user == ACCOUNT
    assert google.calls == [("GET", NAME)]
    assert found.name == "the GKE cluster staging in europe-west1 (1.33.4-gke.100)"


def test_a_token_that_the_server_refuses_is_replaced_once(
    google: FakeGke, door: FrontDoor, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shipit.targets.kubernetes.reach.renewed._JUST_NOW", -1.0)
    found = reached()
    google.expire()
    assert ask(found) == 200
    assert [seen.user for seen in door.seen] == ["", ACCOUNT]
    assert len(google.tokens_for) == 2


def test_a_token_near_its_end_is_replaced_before(google: FakeGke, ask: Ask) -> None:
    google.lifetime = 60
    found = reached()
    assert [ask(found), ask(found)] == [200, 200]
    assert len(google.tokens_for) == 3


def test_autopilot_is_named(google: FakeGke, door: FrontDoor) -> None:
    google.clusters[NAME] = staging(door, autopilot={"enabled": True})
    assert reached().name.endswith("(Autopilot)")


def endpoints(door: FrontDoor, *, external: bool = True) -> Cluster:
    return staging(
        door,
        endpoint="10.0.0.1",
        control_plane_endpoints_config={
            "dns_endpoint_config": {
                "endpoint": "gke-1.europe-west1.gke.goog",
                "allow_external_traffic": external,
            },
            "ip_endpoints_config": {
                "enabled": True,
                "public_endpoint": "198.51.100.7",
                "private_endpoint": "10.0.0.1",
            },
        },
    )


@pytest.mark.parametrize(
    ("endpoint", "server"),
    [
        ("", "https://10.0.0.1"),
        ("public", "https://198.51.100.7"),
        ("private", "https://10.0.0.1"),
        ("dns", "https://gke-1.europe-west1.gke.goog"),
    ],
)
def test_the_endpoint_that_is_named(
    google: FakeGke, door: FrontDoor, endpoint: str, server: str
) -> None:
    google.clusters[NAME] = endpoints(door)
    found = reached(endpoint=endpoint)
    assert found.server == server
    # The DNS name's certificate is no work of the cluster's CA.
    assert found.ca == (b"" if endpoint == "dns" else door.ca)


def test_only_a_dns_endpoint(google: FakeGke, door: FrontDoor) -> None:
    google.clusters[NAME] = endpoints(door)
    google.clusters[NAME].endpoint = ""
    assert reached().server == "https://gke-1.europe-west1.gke.goog"


def test_a_private_cluster_of_the_older_kind(google: FakeGke, door: FrontDoor) -> None:
    private = {"private_endpoint": "10.0.0.1", "public_endpoint": "198.51.100.7"}
    google.clusters[NAME] = staging(door, private_cluster_config=private)
    assert reached(endpoint="private").server == "https://10.0.0.1"
    assert reached(endpoint="public").server == "https://198.51.100.7"


def test_what_may_be_in_the_way(google: FakeGke, door: FrontDoor) -> None:
    google.clusters[NAME] = endpoints(door, external=False)
    assert "Google's networks alone" in reached(endpoint="dns").unreached
    google.clusters[NAME] = endpoints(door)
    private = reached(endpoint="private").unreached
    assert "from its VPC alone" in private
    assert "endpoint: dns" in private
    networks = {"enabled": True}
    google.clusters[NAME] = staging(door, master_authorized_networks_config=networks)
    assert "authorized networks" in reached().unreached


def test_an_endpoint_that_is_not_there(google: FakeGke) -> None:
    with pytest.raises(PreconditionError, match="staging has no dns endpoint"):
        reached(endpoint="dns")


@pytest.mark.parametrize("status", ["PROVISIONING", "STOPPING", "ERROR"])
def test_a_cluster_without_a_server(google: FakeGke, door: FrontDoor, status: str) -> None:
    google.clusters[NAME] = staging(door, status=status)
    with pytest.raises(PreconditionError, match=f"staging is {status}"):
        reached()


def test_a_cluster_that_is_not_there(google: FakeGke) -> None:
    with pytest.raises(PreconditionError, match="there is no GKE cluster projects/acme"):
        reached(cluster="stagin")


def test_one_that_may_not_be_looked_at(google: FakeGke) -> None:
    google.denied = {"get"}
    with pytest.raises(PreconditionError, match="does not let us look") as caught:
        reached()
    assert "roles/container.clusterViewer" in caught.value.next_step


def test_a_token_service_that_refuses(google: FakeGke) -> None:
    google.refused = {"error": "invalid_grant", "error_description": "account disabled"}
    with pytest.raises(PreconditionError, match="no token of Google's") as caught:
        reached()
    assert "invalid_grant" in caught.value.why


def test_no_credentials(google: FakeGke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    with pytest.raises(PreconditionError, match="no Google credentials") as caught:
        reached()
    assert "gcloud auth application-default login" in caught.value.next_step


def test_nobody_answers(google: FakeGke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipit.targets.kubernetes.reach.gke._DEADLINE", 0.5)
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", "http://127.0.0.1:1")
    with pytest.raises(PreconditionError, match=r"Google (cannot be reached|does not answer)"):
        reached()


@pytest.mark.parametrize("key", ["project", "location", "cluster"])
def test_what_is_not_said(google: FakeGke, key: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"staging\.target\.gke\.{key}: it is not said"):
        reached(**{key: ""})


def test_the_project_of_the_environment(google: FakeGke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme")
    reached(project="")
    assert google.calls == [("GET", NAME)]


def test_what_the_cluster_says_of_its_nodes_judges_pulls(google: FakeGke, door: FrontDoor) -> None:
    """Without another request."""
    scopes = {"oauth_scopes": ["https://www.googleapis.com/auth/logging.write"]}
    google.clusters[NAME] = staging(door, node_pools=[{"name": "old", "config": scopes}])
    pulls = reached().pulls
    assert pulls
    repository = "europe-docker.pkg.dev/acme/shop/web"
    finding = pulls([repository])[repository]
    assert (finding.level, "the access scopes of old" in finding.what) == ("error", True)
    assert google.calls == [("GET", NAME)]
