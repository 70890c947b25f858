"""A rollout that is followed, against an API server whose every word is written down."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shipit.model.deployment import Desired, Plan, Rollout
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.progress import Failed, Outcome, Progress, Reason, Succeeded
from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.follow import Follow
from shipit.targets.kubernetes.pods import ARGO_HASH, OF_JOB
from shipit.targets.kubernetes.reach.access import Access
from shipit.targets.kubernetes.scene import Scene, Start
from shipit.targets.kubernetes.standing import Want, marked
from tests.fakes.kubernetes_api import Reply, ScriptedApi, Watched, items, refuse

Json = dict[str, Any]
DIGEST = Digest.of(b"web")
LABELS = {names.NAME: "web", names.INSTANCE: "shop-dev"}
SELECTOR = f"{names.INSTANCE}=shop-dev"
HOME = "GET /api/v1/namespaces/shop"
APPS = "GET /apis/apps/v1/namespaces/shop"
TEMPLATE = {"spec": {"containers": [{"name": "web"}]}}


def deployment(**status: int) -> Json:
    complete = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "uid": "u-web",
            "generation": 1,
            "labels": LABELS,
            "annotations": {"deployment.kubernetes.io/revision": "1"},
        },
        "spec": {"replicas": 1, "template": TEMPLATE},
        "status": {"observedGeneration": 1, **complete, **status},
    }


REPLICA_SET = {
    "metadata": {
        "name": "web-1",
        "uid": "u-web-set",
        "labels": {**LABELS, "pod-template-hash": "1"},
        "annotations": {"deployment.kubernetes.io/revision": "1"},
        "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "u-web"}],
    }
}


def pod(*, ready: bool = True, **container: Any) -> Json:
    status = {"name": "web", "imageID": f"r/web@{DIGEST}", "state": {"running": {}}, "ready": ready}
    return {
        "metadata": {
            "name": "web-1-a",
            "uid": "u-web-pod",
            "labels": {**LABELS, "pod-template-hash": "1"},
        },
        "spec": {"nodeName": "n", "containers": [{"name": "web"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{**status, **container}],
        },
    }


def of(service: str, one: Json) -> Json:
    """What web has, of another service."""
    found: Json = json.loads(json.dumps(one).replace("web", service))
    return found


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as found:
        lists = {
            f"{APPS}/deployments": items(deployment()),
            f"{APPS}/replicasets": items(REPLICA_SET),
            f"{HOME}/pods": items(pod()),
            f"{HOME}/events": items(),
        }
        for title, answer in lists.items():
            found.on(title, answer)
            found.on(f"{title}?watch", Watched(then="stay"))
        yield found


def follow(
    api: ScriptedApi,
    *,
    services: tuple[str, ...] = ("web",),
    kinds: tuple[str, ...] = ("Deployment",),
    deadline: float = 20.0,
    refused: dict[str, str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[list[Progress], Outcome]:
    cluster = Cluster(Access(server=api.address, name="the cluster"), "shop")
    images = {name: Image(f"r/{name}", DIGEST) for name in services}
    desired = Desired("shop", "dev", DIGEST, "r1", {}, images, services, deadline=deadline)
    rollout = Rollout(Plan("default", desired, (), ""), clock())
    wants = [
        Want(name, name, marked(of(name, deployment())), {name: frozenset({DIGEST})}, DIGEST)
        for name in services
    ]
    scene = Scene(cluster, SELECTOR, kinds, Start())
    *said, outcome = Follow(rollout, scene, wants, refused or {}, clock=clock).follow()
    assert not isinstance(outcome, Progress)
    return [step for step in said if isinstance(step, Progress)], outcome


def test_what_is_complete_is_proven_at_once(api: ScriptedApi) -> None:
    said, outcome = follow(api)
    assert outcome == Succeeded({"web": DIGEST})
    assert [(p.subject, p.message) for p in said] == [("web", f"proven, runs {DIGEST.short}")]


def test_one_watch_for_each_kind(api: ScriptedApi) -> None:
    """However many services there are. None is proven before every kind is watched."""
    services = ("web", "worker", "cache")
    deployments, sets, pods = f"{APPS}/deployments", f"{APPS}/replicasets", f"{HOME}/pods"
    api.on(deployments, items(*(of(name, deployment(availableReplicas=0)) for name in services)))
    api.on(sets, items(*(of(name, REPLICA_SET) for name in services)))
    api.on(pods, items(*(of(name, pod(ready=False)) for name in services)))
    for path, one, before in ((deployments, deployment(), pods), (pods, pod(), sets)):
        changes = [{"type": "MODIFIED", "object": of(name, one)} for name in services]
        api.on(f"{path}?watch", Watched(changes, "stay", after=(f"{before}?watch", 1)))
    _, outcome = follow(api, services=services)
    assert outcome == Succeeded(dict.fromkeys(services, DIGEST))
    asked = sorted(title for title in api.titles() if title.endswith("?watch"))
    assert asked == sorted(f"{path}?watch" for path in (deployments, sets, pods))
    assert {r.query["labelSelector"] for r in api.asked} == {SELECTOR}


def test_while_a_watch_is_away_nothing_is_proven(api: ScriptedApi) -> None:
    """Failure mode 16: a lost connection does not read as fine."""
    pods = f"{HOME}/pods?watch"
    api.on(f"{APPS}/deployments", items(deployment(availableReplicas=0)))
    api.on(pods, Watched((), "cut"), refuse(503, "not now"))
    complete = {"type": "MODIFIED", "object": deployment()}
    api.on(f"{APPS}/deployments?watch", Watched([complete], "stay", after=(pods, 2)))
    _, outcome = follow(api, deadline=2.0)
    assert isinstance(outcome, Failed)
    assert "cannot be watched: not now" in outcome.reasons[0].what


def test_a_watch_that_ends_in_an_error_nobody_thought_of_ends_the_wait(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And does not leave it with what was known before until its deadline."""

    def broken(*_: Any) -> Any:
        raise KeyError("a mistake")

    monkeypatch.setattr("shipit.targets.kubernetes.watching.Watch._read", broken)
    api.on(f"{HOME}/pods", items(pod(ready=False)))
    news = {"type": "MODIFIED", "object": pod()}
    api.on(f"{HOME}/pods?watch", Watched([news], "stay"))
    with pytest.raises(KeyError, match="a mistake"):
        follow(api)


def test_pods_that_may_not_be_watched_are_no_success(api: ScriptedApi) -> None:
    """Failure mode 16."""
    api.on(f"{HOME}/pods", items())
    _, outcome = follow(api, deadline=1.0)
    assert isinstance(outcome, Failed)
    assert "0 of 1 pods are seen to be ready" in outcome.reasons[0].what


def test_what_the_api_server_refused_is_a_failure(api: ScriptedApi) -> None:
    _, outcome = follow(api, refused={"web": "Service/web: no"})
    assert outcome == Failed((Reason("web", "Service/web: no"),))


def test_a_pod_that_waits_for_a_secret_is_given_time(api: ScriptedApi) -> None:
    waiting = {
        "waiting": {"reason": "CreateContainerConfigError", "message": 'secret "db" not found'}
    }
    ill = pod(ready=False, state=waiting)
    api.on(f"{APPS}/deployments", items(deployment(availableReplicas=0)))
    api.on(f"{HOME}/pods", items(ill))
    began = time.monotonic()

    def hurried() -> float:
        """A second is a minute."""
        return began + (time.monotonic() - began) * 60

    _, outcome = follow(api, clock=hurried, deadline=1000.0)
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == 'it cannot be started: secret "db" not found'
    assert hurried() < began + 900  # it was not waited for until the deadline


def test_a_probe_that_fails_is_told_from_the_events(api: ScriptedApi) -> None:
    """Failure mode 36."""
    api.on(f"{APPS}/deployments", items(deployment(availableReplicas=0)))
    api.on(f"{HOME}/pods", items(pod(ready=False)))
    unhealthy = {
        "involvedObject": {"name": "web-1-a"},
        "reason": "Unhealthy",
        "message": "Readiness probe failed: HTTP 500",
        "lastTimestamp": "2026-11-24T10:00:00Z",
    }
    later = {**unhealthy, "reason": "FailedMount", "lastTimestamp": "2026-11-24T10:00:09Z"}
    later["message"] = "it took a while"
    events = [{"metadata": {"name": str(n)}, **e} for n, e in enumerate((unhealthy, later))]
    api.on(f"{HOME}/events", items(*events))
    api.on(f"{HOME}/pods/web-1-a/log", Reply(200, {"last": "line"}))
    _, outcome = follow(api, deadline=1.0)
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == (
        "not proven within 1.0s: 0 of 1 available; Readiness probe failed: HTTP 500"
    )
    assert outcome.reasons[0].logs == ('{"last": "line"}',)


def test_a_jobs_pod_of_a_workloads_name_is_none_of_its_own(api: ScriptedApi) -> None:
    """In own manifests a CronJob may be called as a Deployment is."""
    job = pod()
    job["metadata"] |= {"name": "web-job-a", "uid": "u-job"}
    job["metadata"]["labels"] = {**LABELS, OF_JOB: "web-job"}
    api.on(f"{HOME}/pods", items(pod(), job))
    _, outcome = follow(api, deadline=3.0)
    assert outcome == Succeeded({"web": DIGEST})


def test_a_rollout_of_somebody_else_in_the_stead_of_a_deployment(api: ScriptedApi) -> None:
    """It has no label of shipit's; the Deployment that it runs is at 0, and tells nothing."""
    rollouts = "GET /apis/argoproj.io/v1alpha1/namespaces/shop/rollouts"
    idle = deployment(replicas=0, updatedReplicas=0, availableReplicas=0)
    idle["spec"] = {**idle["spec"], "replicas": 0}
    status = {"workloadObservedGeneration": "1", "phase": "Progressing"}
    rollout = {
        "metadata": {"name": "canary", "uid": "u-rollout"},
        "spec": {"replicas": 1, "workloadRef": {"kind": "Deployment", "name": "web"}},
        "status": status,
    }
    healthy = {**status, "phase": "Healthy", "currentPodHash": "a", "stableRS": "a"}
    argos = pod()
    argos["metadata"]["labels"] = {**LABELS, ARGO_HASH: "a"}
    api.on(f"{APPS}/deployments", items(idle))
    api.on(f"{HOME}/pods", items(argos))
    api.on(rollouts, items(rollout))
    change = {"type": "MODIFIED", "object": {**rollout, "status": healthy}}
    api.on(f"{rollouts}?watch", Watched([change], "stay", after=(f"{HOME}/pods?watch", 1)))
    _, outcome = follow(api, kinds=("Deployment", "Rollout"), deadline=5.0)
    assert outcome == Succeeded({"web": DIGEST})
    assert {r.query["labelSelector"] for r in api.asked if r.title.startswith(APPS)} == {SELECTOR}
    assert not any("labelSelector" in r.query for r in api.asked if r.title.startswith(rollouts))
