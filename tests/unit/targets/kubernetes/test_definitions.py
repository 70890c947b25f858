"""Waiting until a kind is there, in the API server's moods."""

from collections.abc import Iterator
from typing import Any

import pytest

from shipit.targets.kubernetes import definitions
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.reach.access import Access
from tests.fakes.kubernetes_api import Reply, ScriptedApi, items

Json = dict[str, Any]
LIST = "GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KINDS = "GET /apis/example.com/v1"
SERVED = Reply(200, {"resources": [{"name": "widgets", "kind": "Widget", "namespaced": True}]})
NOT_YET = Reply(200, {"resources": []})


class Clock:
    """Time goes by in pauses alone."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as found:
        found.on(KINDS, SERVED)
        yield found


@pytest.fixture
def cluster(api: ScriptedApi, clock: Clock) -> Iterator[Cluster]:
    access = Access(server=api.address, name="the test's cluster")
    found = Cluster(access, "shop", clock=clock, pause=clock.pause)
    yield found
    found.close()


def widgets(**conditions: str) -> Json:
    """As it is there, with the status of each condition."""
    said = [{"type": t, "status": s, "message": f"{t} is {s}"} for t, s in conditions.items()]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Widget"},
            "versions": [{"name": "v1", "served": True}, {"name": "v0", "served": False}],
        },
        "status": {"conditions": said},
    }


def awaited(cluster: Cluster) -> str:
    """What is said of it; empty once it is there."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
    return definitions.awaited(cluster, {"it": widgets(), "other": config}).get("it", "")


def test_it_is_there_once_it_is_established_and_discovered(
    api: ScriptedApi, cluster: Cluster
) -> None:
    api.on(LIST, items(widgets()), items(widgets(NamesAccepted="True", Established="True")))
    api.on(KINDS, NOT_YET, SERVED)
    assert awaited(cluster) == ""
    assert api.titles().count(KINDS) == 2
    assert {request.query.get("fieldSelector") for request in api.asked if request.query} == {
        "metadata.name=widgets.example.com"
    }


def test_it_is_not_waited_for_for_ever(
    api: ScriptedApi, cluster: Cluster, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "_LOOK", 10.0)
    api.on(LIST, items(widgets(Established="False")))
    assert awaited(cluster).endswith("widgets.example.com was not established within 60s")
    assert 60 < clock.now < 80


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (items(widgets(NamesAccepted="False")), "NamesAccepted is False"),
        (items(widgets(Established="True", Terminating="True")), "Terminating is True"),
        (items(), "it was deleted by somebody else"),
    ],
)
def test_what_will_not_be_is_told_at_once(
    api: ScriptedApi, cluster: Cluster, clock: Clock, found: Reply, words: str
) -> None:
    api.on(LIST, found)
    assert awaited(cluster) == f"CustomResourceDefinition/widgets.example.com: {words}"
    assert clock.now == 0
