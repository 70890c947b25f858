"""stop, start and rm: what is sent, and what is left alone."""

import threading
from collections.abc import Collection, Iterator
from typing import Any

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.targets.kubernetes import applyset, lifecycle
from shipit.targets.kubernetes.lifecycle import STOPPED
from shipit.targets.kubernetes.pods import Pod
from shipit.targets.kubernetes.survey import Survey
from tests.fakes.namespace import NAME, Namespace, pod

LABELS = {
    "shipit.dev/instance": "shop-qa",
    "app.kubernetes.io/managed-by": "shipit",
}
SELECTOR = "shipit.dev/instance=shop-qa"


@pytest.fixture
def shop() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


def put(shop: Namespace, collection: str, name: str, **spec: Any) -> dict[str, Any]:
    labels = {**LABELS, "shipit.dev/service": name}
    return shop.put({"metadata": {"name": name, "labels": labels}, "spec": spec}, collection)


def found(shop: Namespace, *services: str) -> list[dict[str, Any]]:
    return lifecycle.workloads(shop.cluster(), SELECTOR, services)


def web(shop: Namespace, collection: str = "deployments", name: str = "web") -> dict[str, Any]:
    return shop.objects[collection][name]


@pytest.mark.parametrize("collection", ["deployments", "statefulsets"])
def test_stopped_is_0_and_started_is_what_it_was(shop: Namespace, collection: str) -> None:
    put(shop, collection, "web", replicas=3)
    assert len(lifecycle.stop(shop.cluster(), found(shop))) == 1
    assert web(shop, collection)["spec"] == {"replicas": 0}
    assert web(shop, collection)["metadata"]["annotations"] == {STOPPED: "3"}
    assert lifecycle.stop(shop.cluster(), found(shop)) == []  # what it was is not lost
    assert len(lifecycle.start(shop.cluster(), found(shop))) == 1
    assert web(shop, collection)["spec"] == {"replicas": 3}
    assert web(shop, collection)["metadata"]["annotations"] == {}
    assert lifecycle.start(shop.cluster(), found(shop)) == []


def test_an_autoscalers_number_comes_back_and_the_autoscaler_is_not_touched(
    shop: Namespace,
) -> None:
    """Failure mode 34: what an autoscaler owns is what it was left at, not what was deployed."""
    put(shop, "deployments", "web", replicas=7)
    autoscaler = put(shop, "horizontalpodautoscalers", "web", minReplicas=2)
    lifecycle.stop(shop.cluster(), found(shop))
    lifecycle.start(shop.cluster(), found(shop))
    assert web(shop)["spec"] == {"replicas": 7}
    assert web(shop, "horizontalpodautoscalers") == autoscaler


def test_only_those_that_are_named(shop: Namespace) -> None:
    put(shop, "deployments", "web", replicas=1)
    put(shop, "deployments", "worker", replicas=1)
    lifecycle.stop(shop.cluster(), found(shop, "worker"))
    assert web(shop)["spec"] == {"replicas": 1}
    assert web(shop, name="worker")["spec"] == {"replicas": 0}


def test_without_a_number_it_is_one(shop: Namespace) -> None:
    put(shop, "deployments", "web")
    lifecycle.stop(shop.cluster(), found(shop))
    assert web(shop)["metadata"]["annotations"] == {STOPPED: "1"}


def test_a_schedule_is_suspended(shop: Namespace) -> None:
    put(shop, "cronjobs", "report", suspend=False)
    put(shop, "cronjobs", "paused", suspend=True)
    assert len(lifecycle.stop(shop.cluster(), found(shop))) == 1
    assert web(shop, "cronjobs", "report")["spec"] == {"suspend": True}
    assert len(lifecycle.start(shop.cluster(), found(shop))) == 1
    assert web(shop, "cronjobs", "report")["spec"] == {"suspend": False}
    assert web(shop, "cronjobs", "paused")["spec"] == {"suspend": True}


def test_what_runs_on_every_node_cannot_be_stopped(shop: Namespace) -> None:
    put(shop, "daemonsets", "agent")
    put(shop, "deployments", "web", replicas=1)
    with pytest.raises(PreconditionError, match="agent runs on every node"):
        found(shop)
    assert len(found(shop, "web")) == 1


def test_somebody_elses_change_in_between_is_not_run_over(shop: Namespace) -> None:
    put(shop, "deployments", "web", replicas=3)
    seen = found(shop)
    put(shop, "deployments", "web", replicas=5)
    with pytest.raises(RemoteError, match="refused") as caught:
        lifecycle.stop(shop.cluster(), seen)
    assert caught.value.status == 409
    assert web(shop)["spec"] == {"replicas": 5}


def test_a_status_that_moves_in_between_is_in_nobodys_way(shop: Namespace) -> None:
    put(shop, "deployments", "web", replicas=3)
    seen = found(shop)
    put(shop, "deployments", "web", replicas=3)
    lifecycle.stop(shop.cluster(), seen)
    assert web(shop)["spec"] == {"replicas": 0}
    assert web(shop)["metadata"]["annotations"] == {STOPPED: "3"}


def test_what_changes_all_the_time_is_given_up(shop: Namespace) -> None:
    put(shop, "deployments", "web", replicas=3)
    shop.refusals["PATCH deployments/web"] = (409, "it has been modified")
    with pytest.raises(RemoteError, match="Deployment/web changes faster"):
        lifecycle.stop(shop.cluster(), found(shop))


def test_it_watches_until_the_pods_are_so(shop: Namespace) -> None:
    """One list and one watch, however long it takes."""
    for name in ("web-1", "web-2"):
        shop.put(pod(name, labels=LABELS))

    def end_them() -> None:
        shop.wait("watch=true")
        shop.put(pod("web-2", labels=LABELS))
        shop.remove("web-2")
        shop.remove("web-1")

    ending = threading.Thread(target=end_them)
    ending.start()
    lifecycle.settle(shop.cluster(), SELECTOR, lambda pods: not pods)
    ending.join()
    assert shop.objects["pods"] == {}
    assert sum(asked.startswith("GET pods") for asked in shop.requests) == 2


def test_it_does_not_wait_for_ever(shop: Namespace) -> None:
    shop.put(pod("web-1", labels=LABELS))
    lifecycle.settle(shop.cluster(), SELECTOR, lambda pods: not pods, within=0.3)
    assert list(shop.objects["pods"]) == ["web-1"]


def test_those_that_run_are_counted(shop: Namespace) -> None:
    shop.put(pod("web-1", labels=LABELS))
    shop.put(pod("web-2", labels=LABELS, status={"phase": "Pending"}))
    seen: list[int] = []

    def is_up(pods: Collection[Pod]) -> bool:
        seen.append(lifecycle.up(pods))
        return True

    lifecycle.settle(shop.cluster(), SELECTOR, is_up)
    assert seen == [1]


def test_argo_rollouts_stop_too_where_the_environment_has_some(shop: Namespace) -> None:
    parent = applyset.parent("shop-qa", NAME, ("Deployment.apps", "Rollout.argoproj.io"), ())
    put(shop, "rollouts", "web", replicas=2)
    there = lifecycle.workloads(shop.cluster(), SELECTOR, (), lifecycle.kinds(parent))
    lifecycle.stop(shop.cluster(), there)
    assert web(shop, "rollouts")["spec"] == {"replicas": 0}
    assert lifecycle.kinds(None) == lifecycle.KINDS


def test_of_a_rollout_and_the_deployment_that_it_runs_the_rollout_has_the_count(
    shop: Namespace,
) -> None:
    """The Deployment stays at 0."""
    put(shop, "deployments", "web", replicas=0)
    put(shop, "rollouts", "web", replicas=2, workloadRef={"kind": "Deployment", "name": "web"})
    kinds = (*lifecycle.KINDS, ("argoproj.io/v1alpha1", "Rollout"))
    for act, count in ((lifecycle.stop, 0), (lifecycle.start, 2)):
        act(shop.cluster(), lifecycle.workloads(shop.cluster(), SELECTOR, ["web"], kinds))
        assert web(shop, "rollouts")["spec"]["replicas"] == count
        assert web(shop)["spec"]["replicas"] == 0


# rm


def member(shop: Namespace, collection: str, name: str) -> None:
    labels = {**LABELS, applyset.PART_OF: applyset.identity("shop-qa", NAME)}
    shop.put({"metadata": {"name": name, "labels": labels}}, collection)


@pytest.fixture
def environment(shop: Namespace) -> Namespace:
    """A set with two members, a claim, a task's Job; and things of others beside it."""
    kinds = ("Deployment.apps", "Service", "PersistentVolumeClaim")
    shop.put(applyset.parent("shop-qa", NAME, kinds, ()), "configmaps")
    member(shop, "deployments", "web")
    member(shop, "services", "web")
    member(shop, "persistentvolumeclaims", "data")
    shop.put({"metadata": {"name": "shop-qa-migrate-1", "labels": LABELS}}, "jobs")
    shop.put({"metadata": {"name": "theirs", "labels": {}}}, "deployments")
    helms = {**LABELS, "app.kubernetes.io/managed-by": "Helm"}
    shop.put({"metadata": {"name": "helms", "labels": helms}}, "jobs")
    shop.put({"metadata": {"name": "helms", "labels": helms}}, "deployments")
    return shop


def left(shop: Namespace) -> set[str]:
    return {f"{kind}/{name}" for kind, held in shop.objects.items() for name in held}


def removed(shop: Namespace, *, volumes: bool) -> list[str]:
    return list(lifecycle.remove(Survey(shop.cluster(), "shop-qa"), volumes=volumes))


OTHERS = {"deployments/theirs", "deployments/helms", "jobs/helms"}


def test_what_is_ours_goes_and_data_stays(environment: Namespace) -> None:
    """Failure mode 35: nothing that is not ours is touched."""
    assert removed(environment, volumes=False) == [
        "Deployment/web",
        "Job/shop-qa-migrate-1",
        "Service/web",
        "ConfigMap/shop-qa",
    ]
    assert left(environment) == OTHERS | {"persistentvolumeclaims/data"}


def test_data_goes_when_it_is_asked_for(environment: Namespace) -> None:
    assert "PersistentVolumeClaim/data" in removed(environment, volumes=True)
    assert left(environment) == OTHERS


def test_a_removal_that_was_cut_is_taken_up(environment: Namespace) -> None:
    environment.refusals["DELETE services/web"] = (403, "forbidden")
    with pytest.raises(RemoteError):
        removed(environment, volumes=False)
    assert "configmaps/shop-qa" in left(environment)
    environment.refusals.clear()
    assert removed(environment, volumes=False) == ["Service/web", "ConfigMap/shop-qa"]


def test_without_a_set_the_label_says_whose_it_is(environment: Namespace) -> None:
    environment.remove("shop-qa", "configmaps")
    removed(environment, volumes=False)
    assert left(environment) >= OTHERS
    assert "deployments/web" not in left(environment)


def test_nothing_there_is_nothing_removed(shop: Namespace) -> None:
    assert removed(shop, volumes=True) == []
