"""Services that share a pod, on the real control plane: each has its own row, log and command."""

import pytest

from shipit.errors import PreconditionError
from shipit.model.deployment import Desired, Health
from shipit.model.progress import Succeeded
from tests.fakes.cluster.story import runs
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = pytest.mark.cluster


def together(place: Place) -> Desired:
    """web, and in its pods another one."""
    beside = {"command": ["serve"], "x-kubernetes": {"pod": "web"}}
    return place.shop.desired({"web": {"command": ["serve"]}, "proxy": beside})


@pytest.fixture
def shared(place: Place) -> Place:
    assert place.cluster.node
    place.cluster.node.when(runs("of proxy"), namespace=place.namespace)
    place.cluster.node.when(runs("of web"), namespace=place.namespace, container="web")
    _, _, outcome = place.deploy(together(place))
    assert outcome == Succeeded(dict.fromkeys(("web", "proxy"), IMAGES["1"].digest))
    return place


def test_each_has_its_row_and_its_log(shared: Place) -> None:
    target = shared.target()
    rows = {row["service"]: row for row in target.containers()}
    assert rows.keys() == {"web", "proxy"}
    for service, line in (("web", "of web"), ("proxy", "of proxy")):
        found = list(target.logs([service], follow=False, tail=None, since=None))
        assert found == [(rows[service]["name"], line)]
    seen = target.observe().services
    assert {s.health for s in seen.values()} == {Health.HEALTHY}
    assert seen["proxy"].images == (IMAGES["1"].digest,)


def test_they_stop_and_start_together(shared: Place) -> None:
    target = shared.target()
    with pytest.raises(PreconditionError, match="proxy is a container in the pods of web"):
        target.stop(["proxy"])
    assert len(shared.names("pods")) == 1
    stopped = {one.name: one.running for one in target.stop(["web"])}
    assert stopped == {"web": 0, "proxy": 0}
    assert shared.names("pods") == []
    assert {one.running for one in shared.target().start(["web"])} == {1}
