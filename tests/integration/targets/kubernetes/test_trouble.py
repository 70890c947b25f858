"""A real API server behind what networks, load balancers and overload do to it.

Whatever fails in the middle changes nothing but the time, or is a clear failure."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.delivery.resume import resume
from shipit.errors import PreconditionError, RemoteError
from shipit.model.pipeline import Environment, KubernetesTarget
from shipit.model.progress import Failed, Progress, Succeeded
from shipit.targets.interface import Target
from shipit.targets.kubernetes.target import KubernetesCluster
from tests.fakes.cluster.proxy import (
    Act,
    ApiProxy,
    Fault,
    answer,
    cut,
    drop,
    garble,
    lose,
    tell,
)
from tests.fakes.cluster.story import ends, runs
from tests.fakes.project import FakeProject, fails, run
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = pytest.mark.cluster
Json = dict[str, Any]
HEALTHCHECK = {"test": ["CMD", "true"], "interval": "1s", "timeout": "1s", "retries": 3}
WATCH, LIST, REHEARSAL = "watch=true", "limit=500", "dryRun=All"
APPLY = "/deployments/web?fieldManager=shipit"
AGAIN = "the API server is watched again"
_SPEED = 20


def deployed_once(place: Place, changes: int) -> None:
    """Each change of web was made once: none is lost, and none is there twice."""
    live = json.loads(place.kubectl("get", "deployment", "web", "-o", "json"))
    assert live["metadata"]["generation"] == 1 + changes
    assert len(place.names("replicaset")) == 1 + changes


def messages(said: list[Progress]) -> list[str]:
    return [step.message for step in said]


@pytest.mark.parametrize(
    "mood",
    [
        pytest.param(answer(429, "too many", retry_after=1), id="429"),
        pytest.param(answer(500, "Internal error occurred: etcdserver: no leader"), id="500"),
        pytest.param(answer(503, "the server is currently unable", retry_after=1), id="503"),
        pytest.param(answer(504, "Too large resource version"), id="504"),
        pytest.param(drop, id="dropped before it arrived"),
        pytest.param(lose, id="done, and its answer lost"),
        pytest.param(garble(502, "Bad Gateway"), id="done, and 502 said"),
    ],
)
def test_requests_that_fail_now_and_then_cost_nothing_but_time(
    place: Place, proxy: ApiProxy, mood: Act
) -> None:
    place.deploy(place.desired("web"))
    proxy.faults = [
        Fault(mood, "GET", LIST, count=2),
        Fault(mood, "PATCH", REHEARSAL),
        Fault(mood, "PATCH", APPLY, unlike=REHEARSAL),
        Fault(mood, "GET", WATCH, count=2),
    ]
    place.when(runs(after=1.0), "2")
    _, _, outcome = place.deploy(place.desired("web", version="2", healthcheck=HEALTHCHECK))
    assert outcome == Succeeded({"web": IMAGES["2"].digest})
    assert [len(fault.met) for fault in proxy.faults] == [2, 1, 1, 2]
    deployed_once(place, 1)


def test_watches_that_break_off_again_and_again(place: Place, proxy: ApiProxy) -> None:
    place.deploy(place.desired("web", "worker"))
    place.when(runs(after=4.0), "2")
    dropped: list[int] = []

    def interfere(step: Progress) -> None:
        if step.subject:
            dropped.append(proxy.drop_watches())

    desired = place.desired("web", "worker", version="2", healthcheck=HEALTHCHECK, deadline=60.0)
    _, said, outcome = place.deploy(desired, meanwhile=interfere)
    assert outcome == Succeeded(dict.fromkeys(("web", "worker"), IMAGES["2"].digest))
    assert sum(map(bool, dropped)) > 1
    assert AGAIN in messages(said)


@pytest.mark.parametrize(
    "mood",
    [
        pytest.param(answer(410, "too old", reason="Expired"), id="410"),
        pytest.param(tell(410, "too old", reason="Expired"), id="410, told at once"),
        pytest.param(tell(410, "too old", 1, reason="Expired"), id="410, told later"),
        pytest.param(tell(500, "unable to decode an event", 1), id="its own trouble"),
        pytest.param(cut(), id="cut off at once"),
        pytest.param(cut(1), id="cut off in the middle of a line"),
    ],
)
def test_watches_that_lose_their_place(place: Place, proxy: ApiProxy, mood: Act) -> None:
    place.deploy(place.desired("web"))
    place.when(runs(after=2.0), "2")
    proxy.faults = [Fault(mood, "GET", WATCH, count=6)]
    desired = place.desired("web", version="2", healthcheck=HEALTHCHECK)
    _, _, outcome = place.deploy(desired)
    assert outcome == Succeeded({"web": IMAGES["2"].digest})
    assert len(proxy.faults[0].met) == 6
    deployed_once(place, 1)


def test_a_server_that_cannot_be_watched_is_no_success_and_is_told(
    place: Place, proxy: ApiProxy
) -> None:
    """Failure mode 16."""
    proxy.faults = [Fault(answer(503, "no watch today"), "GET", WATCH, count=1000)]
    _, _, outcome = place.deploy(place.desired("web", deadline=3.0))
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what.startswith("not proven within 3.0s: ")
    assert "the API server cannot be watched: no watch today" in outcome.reasons[0].what


class OnCluster(FakeProject):
    """dev is the place. Twenty seconds of the target's patience are one."""

    def __init__(self, root: Path, place: Place) -> None:
        super().__init__(root)
        self._place = place

    def targets(self, environment: Environment) -> dict[str, Target]:
        settings = KubernetesTarget(kubeconfig=str(self._place.kubeconfig))
        made = KubernetesCluster(
            "default", settings, environment.name, "shop", "/", clock=_hurried, pause=_briefly
        )
        return {"default": made}


def _hurried() -> float:
    return time.monotonic() * _SPEED


def _briefly(seconds: float) -> None:
    time.sleep(seconds / _SPEED)


@pytest.mark.parametrize(
    ("mood", "said"),
    [
        (answer(429, "too many requests"), "too many requests"),
        (answer(503, "shutting down"), "shutting down"),
        (drop, "the API server of"),
        (lose, "the API server of"),
    ],
    ids=["429", "503", "dropped", "lost"],
)
def test_one_that_stays_away_in_the_middle_is_taken_up_by_resume(
    place: Place, proxy: ApiProxy, tmp_path: Path, mood: Act, said: str
) -> None:
    project = OnCluster(tmp_path, place)
    project.release("a")
    run(deploy(project, Request("dev")))
    second = project.release("b")
    proxy.faults = [Fault(mood, "PATCH", APPLY, unlike=REHEARSAL, count=1000)]
    _, error = fails(deploy(project, Request("dev", release="b")), RemoteError)
    assert said in str(error)
    assert error.next_step
    assert project.state().interrupted
    proxy.faults = []
    run(resume(project))
    current = project.state().current
    assert current is not None
    assert current.release == second.digest
    deployed_once(place, 1)


def test_a_server_that_is_not_there_at_all_changes_nothing(
    place: Place, proxy: ApiProxy, tmp_path: Path
) -> None:
    project = OnCluster(tmp_path, place)
    project.release("a")
    proxy.faults = [Fault(answer(503, "not yet"), count=1000)]
    _, error = fails(deploy(project, Request("dev")), PreconditionError)
    assert error.why == "not yet"
    assert project.state().recent == ()


def test_stopping_and_starting_whose_answers_are_lost(place: Place, proxy: ApiProxy) -> None:
    """What was done is not asked for as a change of what is not there any more."""
    place.deploy(place.desired("web", scale=2))
    proxy.faults = [Fault(lose, "PATCH", APPLY)]
    [stopped] = place.target().stop(["web"])
    assert (stopped.desired, stopped.running) == (0, 0)
    proxy.faults = [Fault(lose, "PATCH", APPLY)]
    [started] = place.target().start(["web"])
    assert (started.desired, started.running) == (2, 2)


@pytest.mark.parametrize("mood", [drop, lose, answer(503, "not now")])
def test_a_task_runs_once_whatever_becomes_of_its_requests(
    place: Place, proxy: ApiProxy, mood: Act
) -> None:
    place.when(ends(0, "migrated"), "1", service="task")
    proxy.faults = [
        Fault(mood, "POST", "/jobs"),
        Fault(mood, "GET", WATCH, count=2),
        Fault(mood, "GET", "/jobs", count=2),
    ]
    before: Json = {"x-shipit": {"run": "before"}}
    desired = place.desired("task", **before)
    *said, outcome = place.target().run_task(desired, "task", "7")
    assert outcome == Succeeded({"task": IMAGES["1"].digest})
    assert "migrated" in [line for step in said if isinstance(step, Progress) for line in step.logs]
    assert len(place.names("job")) == 1
    assert len(place.names("pod")) == 1
