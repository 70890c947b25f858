"""An API server that restarts, for those who have the printed Role and nothing else."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from shipit.model.progress import Progress, Succeeded
from tests.fakes.cluster.plane import Plane
from tests.fakes.cluster.story import runs
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
Json = dict[str, Any]
HEALTHCHECK = {"test": ["CMD", "true"], "interval": "1s", "timeout": "1s", "retries": 3}


def by_certificate(place: Place, plane: Plane) -> Json:
    path = plane.authority.sign("deployer", user="deployer")
    return {"client-certificate": str(path), "client-key": str(path.with_suffix(".key"))}


def by_token(place: Place, plane: Plane) -> Json:
    return {"token": place.kubectl("create", "token", "deployer").strip()}


@pytest.mark.parametrize(
    ("kind", "credentials"), [("User", by_certificate), ("ServiceAccount", by_token)]
)
def test_a_restart_takes_no_rights_away(
    place: Place, tmp_path: Path, kind: str, credentials: Any
) -> None:
    """A server that has just begun knows of no Role, and answers 403, until its informers do."""
    plane = place.cluster.plane
    if plane is None:
        pytest.skip("the cluster is not ours to restart")
    place.kubectl("create", "serviceaccount", "deployer")
    made, _ = place.target().role([place.desired("web")], (kind, "deployer"))
    for one in made:
        place.kubectl("create", "-f", "-", stdin=one)
    found = json.loads(place.kubeconfig.read_text())
    found["users"][0]["user"] = credentials(place, plane)
    place.kubeconfig = tmp_path / "deployer"
    place.kubeconfig.write_text(json.dumps(found))
    place.deploy(place.desired("web"))
    place.when(runs(after=8.0), "2")
    restarted = threading.Event()

    def restart(step: Progress) -> None:
        if step.subject == "web" and not restarted.is_set():
            restarted.set()
            plane.restart()

    desired = place.desired("web", version="2", healthcheck=HEALTHCHECK, deadline=120.0)
    _, _, outcome = place.deploy(desired, meanwhile=restart)
    assert outcome == Succeeded({"web": IMAGES["2"].digest})
