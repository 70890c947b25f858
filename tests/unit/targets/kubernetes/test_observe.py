"""Services as they run, of workloads of every shape."""

from typing import Any

import msgspec
import pytest

from shipit.model.deployment import Health, ObservedService
from shipit.model.digest import Digest
from shipit.targets.kubernetes import observe
from shipit.targets.kubernetes.pods import OF_JOB, Pod
from shipit.targets.kubernetes.survey import Seen

Json = dict[str, Any]
WEB, PROXY = Digest.of(b"web"), Digest.of(b"proxy")


def workload(kind: str = "Deployment", *, beside: str = "", **more: Any) -> Json:
    """Called web, with a container of that name, and one that is called `beside`."""
    names = [name for name in ("web", beside) if name]
    marks = {"annotations": {"shipit.dev/services": ",".join(names)}} if beside else {}
    template = {"metadata": marks, "spec": {"containers": [{"name": name} for name in names]}}
    status = {"observedGeneration": 1, "readyReplicas": 1, **more.pop("status", {})}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "generation": 1, "labels": {"shipit.dev/service": "web"}},
        "spec": {"replicas": 1, "template": template, **more},
        "status": status,
    }


def pod(name: str = "web-1", service: str = "web", **more: Any) -> Pod:
    reported = {"web": WEB, "proxy": PROXY}
    ready = {"type": "Ready", "status": str(more.get("ready", True))}
    made = {
        "metadata": {
            "name": name,
            "uid": name,
            "labels": {"shipit.dev/service": service, **more.get("labels", {})},
            "annotations": more.get("notes", {}),
        },
        "status": {
            "phase": "Running",
            "conditions": [ready],
            "containerStatuses": [
                {"name": container, "ready": True, "imageID": f"r@{digest}"}
                for container, digest in reported.items()
            ],
        },
    }
    return msgspec.convert(made, Pod)


def seen(one: Json, *pods: Pod) -> dict[str, ObservedService]:
    found = Seen(None, {"web": one}, {pod.name: pod for pod in pods}, {})
    return dict(observe.observed(found).services)


def test_services_that_share_a_pod_are_two_with_a_digest_each() -> None:
    one = workload(beside="proxy")
    found = seen(one, pod())
    assert {name: service.images for name, service in found.items()} == {
        "web": (WEB,),
        "proxy": (PROXY,),
    }
    assert observe.heads([one]) == {"web": "web", "proxy": "web"}


def test_a_container_beside_it_in_own_manifests_is_no_service() -> None:
    one = workload()
    one["spec"]["template"]["spec"]["containers"].append({"name": "proxy"})
    assert list(seen(one, pod())) == ["web"]


def test_a_jobs_pods_are_no_workloads() -> None:
    found = seen(workload(), pod(), pod("web-job", labels={OF_JOB: "web"}))
    assert (found["web"].running, found["web"].health) == (1, Health.HEALTHY)


@pytest.mark.parametrize(("told", "health"), [("1", Health.HEALTHY), ("", Health.UNKNOWN)])
def test_argo_rollouts_writes_its_generation_as_text(told: str, health: Health) -> None:
    """Failure mode 16: what it has not seen yet is not known."""
    one = workload("Rollout", status={"observedGeneration": told})
    assert seen(one, pod())["web"].health is health


@pytest.mark.parametrize("service", ["web", "web-primary"])
@pytest.mark.parametrize(("ready", "health"), [(True, Health.HEALTHY), (False, Health.STARTING)])
def test_what_flagger_promoted_is_what_runs(service: str, ready: bool, health: Health) -> None:
    """It has the workload itself at 0, and pods of its own told apart by a label."""
    primary = pod("web-primary-1", service, ready=ready, notes={"flagger-id": "1"})
    found = seen(workload(replicas=0), primary)["web"]
    assert (found.desired, found.running, found.health) == (1, 1, health)
    assert found.images == (WEB,)


def test_what_a_rollout_runs_of_a_deployment_is_what_runs() -> None:
    argos = pod("web-1", labels={"rollouts-pod-template-hash": "new"})
    rollout = workload("Rollout", replicas=5, workloadRef={"kind": "Deployment", "name": "web"})
    found = Seen(None, {"d": workload(replicas=0), "r": rollout}, {"p": argos}, {})
    [web] = observe.observed(found).services.values()
    assert (web.desired, web.running, web.health) == (1, 1, Health.HEALTHY)


def test_a_service_may_end_as_flaggers_names_do() -> None:
    own = pod("db-primary-primary-1", "db-primary", notes={"flagger-id": "1"})
    told_apart = pod("db-primary-primary-1", "db-primary-primary", notes={"flagger-id": "1"})
    assert (own.head, told_apart.head) == ("db-primary", "db-primary")
    assert pod("web-primary-1", "web-primary").head == "web-primary"


def test_at_0_without_flagger_it_is_stopped() -> None:
    assert seen(workload(replicas=0))["web"].health is Health.STOPPED
