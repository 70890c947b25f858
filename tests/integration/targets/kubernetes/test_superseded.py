"""Another client in the middle of `shipit deploy`, on the real control plane: exit code 5."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shipit.model.digest import Digest
from tests.fakes.cluster.checkout import Checkout
from tests.fakes.cluster.story import runs
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
Json = dict[str, Any]
HEALTHCHECK = {
    "healthcheck": {"test": ["CMD", "true"], "interval": "1s", "timeout": "1s", "retries": 3}
}
_WAITED = 60.0  # seconds for a command to end


@pytest.fixture
def app(place: Place, tmp_path: Path) -> Checkout:
    """Release 1 of web runs; 2 is on record, and takes its time."""
    made = Checkout(tmp_path, place.kubeconfig, place.namespace)
    for version in "12":
        made.release(version, {"web": (IMAGES[version], HEALTHCHECK)})
    made.shipit.ok("deploy", "--env", "dev", "--release", "1")
    place.when(runs(after=60.0), "2")
    return made


@contextmanager
def rolling_out(app: Checkout) -> Iterator["subprocess.Popen[str]"]:
    """`shipit deploy` of 2, once it follows web."""
    process = app.shipit.start("deploy", "--env", "dev", "--release", "2", "--json")
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if (said.get("stage"), said.get("subject")) == ("follow", "web"):
                break
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: "subprocess.Popen[str]") -> Json:
    """The last that it says."""
    out, _ = process.communicate(timeout=_WAITED)
    found: Json = json.loads(out.splitlines()[-1])
    return found


def test_fm2_a_rollout_that_another_client_changes_is_superseded(
    place: Place, app: Checkout
) -> None:
    other = f"registry.test/other@{Digest.of(b'other')}"
    with rolling_out(app) as process:
        place.kubectl("set", "image", "deployment/web", f"web={other}")
        last = ended(process)
    assert process.returncode == 5
    assert (last["event"], last["exit_code"]) == ("error", 5)
    assert last["what"] == "2 was superseded in dev by Deployment web was changed by kubectl-set"
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert place.kubectl("get", "deployment/web", "-o", image) == other  # and nothing is undone
    state = app.state()
    assert state.recent[0].outcome == "superseded"
    assert (state.active, state.interrupted, state.hold) == (None, None, None)


def test_fm2_one_that_is_deleted_is_superseded(place: Place, app: Checkout) -> None:
    with rolling_out(app) as process:
        place.kubectl("delete", "deployment/web", "--wait=false")
        last = ended(process)
    assert process.returncode == 5
    assert last["what"].endswith("Deployment web was deleted by somebody else")
    assert place.names("deployment") == []
    place.when(runs(), "2")
    app.shipit.ok("deploy", "--env", "dev", "--release", "2")  # and the next is in nobody's way


def test_a_count_that_another_client_changes_is_no_other_deployment(
    place: Place, app: Checkout
) -> None:
    """Failure mode 34: an autoscaler moves it whenever it likes."""
    place.when(runs(after=4.0), "2")
    with rolling_out(app) as process:
        place.kubectl("scale", "deployment/web", "--replicas=2")
        last = ended(process)
    assert (process.returncode, last["event"]) == (0, "result"), last
    assert last["proven"] == {"default": {"web": str(IMAGES["2"].digest)}}
