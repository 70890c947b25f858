"""How a workload's rollout stands: kubectl's questions, and those that it does not ask."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from shipit.model.digest import Digest
from shipit.targets.kubernetes.pods import (
    Condition,
    ContainerStatus,
    Ended,
    Metadata,
    Owner,
    Pod,
    PodStatus,
    ReplicaSet,
    ReplicaSetMetadata,
    Running,
    State,
)
from shipit.targets.kubernetes.standing import (
    End,
    Look,
    Mark,
    Want,
    canary,
    is_about,
    marked,
    stand,
    superseded,
)

Json = dict[str, Any]
OURS, OTHER, CHILD = (Digest.of(word) for word in (b"ours", b"other", b"child"))
LABEL = {
    "Deployment": "pod-template-hash",
    "StatefulSet": "controller-revision-hash",
    "DaemonSet": "controller-revision-hash",
    "Rollout": "rollouts-pod-template-hash",
}
COMPLETE: dict[str, Json] = {
    "Deployment": {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
    "StatefulSet": {
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "updateRevision": "new",
    },
    "DaemonSet": {
        "desiredNumberScheduled": 1,
        "updatedNumberScheduled": 1,
        "numberAvailable": 1,
    },
    "Rollout": {"phase": "Healthy", "currentPodHash": "new", "stableRS": "new"},
}


def workload(kind: str = "Deployment", **status: Any) -> Json:
    """Complete, but for what `status` says."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {
            "name": "web",
            "uid": "u1",
            "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": "7"},
        },
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "web"}]}}},
        "status": {"observedGeneration": 2, **COMPLETE[kind], **status},
    }


def pod(name: str = "web-1", *, mark: str = "new", kind: str = "Deployment", **more: Any) -> Pod:
    digest = more.get("digest", OURS)
    ready = "True" if more.get("ready", True) else "False"
    image = f"registry.test/web@{digest}" if digest else ""
    status = ContainerStatus(
        "web", ready=ready == "True", image_id=image, state=State(None, Running())
    )
    return Pod(
        Metadata(
            name, name, {LABEL[kind]: mark}, creation_timestamp=datetime(2026, 1, 1, tzinfo=UTC)
        ),
        status=PodStatus(
            "Running", conditions=(Condition("Ready", ready),), container_statuses=(status,)
        ),
    )


def replica_set(mark: str = "new", revision: str = "7", owner: str = "u1") -> ReplicaSet:
    return ReplicaSet(
        ReplicaSetMetadata(
            f"web-{mark}",
            mark,
            {"pod-template-hash": mark},
            owner_references=(Owner("Deployment", "web", owner),),
            annotations={"deployment.kubernetes.io/revision": revision},
        )
    )


def want(kind: str = "Deployment", *, exercised: bool = True) -> Want:
    identities = {"web": frozenset({OURS, CHILD})}
    return Want("web", "web", marked(workload(kind)), identities, OURS, exercised)


def look(live: Json | None, *pods: Pod, sets: tuple[ReplicaSet, ...] = (replica_set(),)) -> Look:
    return Look(live, sets, pods)


@pytest.mark.parametrize("kind", COMPLETE)
def test_it_is_proven_when_all_is_said_and_the_kubelet_reports_the_digest(kind: str) -> None:
    for digest in (OURS, CHILD):
        found = stand(want(kind), look(workload(kind), pod(kind=kind, digest=digest)))
        assert (found.end, found.words) == (End.DONE, f"runs {OURS.short}")


@pytest.mark.parametrize(
    ("live", "words"),
    [
        (workload(observedGeneration=1), "its controller has not seen it yet"),
        (workload(updatedReplicas=0), "0 of 1 updated"),
        (workload(replicas=2), "1 old to go"),
        (workload(availableReplicas=0), "0 of 1 available"),
        (workload("StatefulSet", updatedReplicas=0), "0 of 1 updated"),
        (workload("StatefulSet", readyReplicas=0), "0 of 1 available"),
        (workload("DaemonSet", updatedNumberScheduled=0), "0 of 1 nodes updated"),
        (workload("DaemonSet", numberAvailable=0), "0 of 1 nodes available"),
        (
            workload("Rollout", phase="Progressing", message="more replicas"),
            "Progressing: more replicas",
        ),
        (workload("Rollout", stableRS="old"), "Healthy"),
    ],
)
def test_what_is_missing_is_said(live: Json, words: str) -> None:
    """Failure mode 15."""
    kind = live["kind"]
    found = stand(want(kind), look(live, pod(kind=kind)))
    assert (found.end, found.words) == (End.WAITING, words)


@pytest.mark.parametrize(
    ("pods", "sets", "words"),
    [
        ((pod(), pod("web-0", mark="old")), (replica_set(),), "1 old to go"),
        ((pod(mark="old"),), (replica_set(),), "1 old to go"),
        ((pod(),), (replica_set(revision="6"),), "1 old to go"),
        ((pod(),), (replica_set(owner="another"),), "1 old to go"),
        (
            (pod(digest=None),),
            (replica_set(),),
            "the kubelet does not name the digest of web-1 yet",
        ),
        ((pod(ready=False),), (replica_set(),), "0 of 1 pods are seen to be ready"),
    ],
)
def test_a_complete_status_is_not_believed_without_the_new_pods(
    pods: tuple[Pod, ...], sets: tuple[ReplicaSet, ...], words: str
) -> None:
    """Failure mode 15: the new ReplicaSet by its hash, no pod of another, every imageID."""
    found = stand(want(), look(workload(), *pods, sets=sets))
    assert (found.end, found.words) == (End.WAITING, words)


def test_no_pods_to_be_seen_is_not_fine() -> None:
    """Failure mode 16."""
    found = stand(want(), look(workload()))
    assert (found.end, found.words) == (End.WAITING, "0 of 1 pods are seen to be ready")


def test_another_digest_is_a_failure() -> None:
    """Failure mode 15."""
    found = stand(want(), look(workload(), pod(digest=OTHER)))
    assert found.end is End.FAILED
    assert f"web-1 runs {OTHER.short}" in found.words


def test_what_fails_by_the_controllers_own_word() -> None:
    overdue = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    late = stand(want(), look(workload(updatedReplicas=0, conditions=[overdue]), pod()))
    assert (late.end, late.words) == (
        End.FAILED,
        "Kubernetes gave it up: its progress deadline is over",
    )
    nowhere = stand(want("DaemonSet"), look(workload("DaemonSet", desiredNumberScheduled=0)))
    assert nowhere.end is End.FAILED
    degraded = workload("Rollout", phase="Degraded", message="analysis failed")
    assert stand(want("Rollout"), look(degraded)).end is End.FAILED


def test_pods_that_cannot_be_made_are_told_with_the_servers_words() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}
    found = stand(want(), look(workload(updatedReplicas=0, conditions=[refused])))
    assert found.words == "0 of 1 updated: exceeded quota: q"


def test_an_aborted_argo_rollout_went_back_by_itself() -> None:
    aborted = workload("Rollout", phase="Degraded", abort=True, message="RolloutAborted: bad")
    found = stand(want("Rollout"), look(aborted, pod(kind="Rollout")))
    assert (found.end, found.words) == (
        End.BACK,
        "Argo Rollouts went back: RolloutAborted: bad",
    )


def changed(by: str, **spec: Any) -> Json:
    live = workload()
    live["spec"] |= spec
    live["metadata"] |= {
        "generation": 3,
        "managedFields": [
            {"manager": "shipit", "time": "2026-11-24T10:00:01Z", "fieldsV1": {"f:spec": {}}},
            {"manager": by, "time": "2026-11-24T10:00:01Z", "fieldsV1": {"f:spec": {}}},
            {
                "manager": "kube-controller-manager",
                "time": "2026-11-24T10:00:02Z",
                "subresource": "status",
                "fieldsV1": {"f:spec": {}},
            },
        ],
    }
    live["status"]["observedGeneration"] = 3
    return live


def test_another_template_is_superseded_by_whoever_wrote_it() -> None:
    found = stand(want(), look(changed("kubectl-edit", template={"spec": {}}), pod()))
    assert (found.end, found.words) == (
        End.SUPERSEDED,
        "Deployment web was changed by kubectl-edit",
    )


@pytest.mark.parametrize("nodes", [{}, {"disk": "fast"}])
def test_a_daemon_set_that_flagger_leaves_no_node_is_not_superseded(nodes: dict[str, str]) -> None:
    before, live = workload("DaemonSet"), workload("DaemonSet")
    before["spec"]["template"]["spec"] |= {"nodeSelector": nodes} if nodes else {}
    live["spec"]["template"]["spec"]["nodeSelector"] = {
        **nodes,
        "flagger.app/scale-to-zero": "true",
    }
    live["metadata"]["generation"] = 3
    assert superseded(marked(before), live) == ""
    live["spec"]["template"]["spec"]["nodeSelector"]["zone"] = "a"
    assert superseded(marked(before), live) == "changed by somebody else"


def test_another_count_is_not_superseded() -> None:
    """Failure mode 34: an autoscaler that works in the middle of a rollout is not in its way."""
    live = changed("kube-controller-manager", replicas=2)
    live["status"] |= {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    assert stand(want(), look(live, pod(), pod("web-2"))).end is End.DONE


def test_a_workload_that_went_away_is_superseded() -> None:
    assert stand(want(), look(None)).words == "Deployment web was deleted by somebody else"
    again = workload()
    again["metadata"]["uid"] = "u2"
    assert stand(want(), look(again)).end is End.SUPERSEDED


def test_news_from_before_the_change_are_no_news() -> None:
    old = workload()
    old["metadata"]["generation"] = 1
    old["spec"]["template"] = {}
    assert stand(want(), look(old, pod())).end is End.WAITING


def test_paused_is_said_and_waits() -> None:
    live = workload()
    live["spec"]["paused"] = True
    assert "paused" in stand(want(), look(live, pod())).words


def test_nothing_is_exercised_at_0() -> None:
    live = workload(replicas=0, updatedReplicas=0, availableReplicas=0)
    live["spec"]["replicas"] = 0
    assert stand(want(), look(live)).end is End.FAILED
    assert stand(want(exercised=False), look(live)).words == "0 replicas: not exercised"


def test_while_the_controller_has_not_seen_it_the_pods_of_before_are_not_judged() -> None:
    """Its revision is still the one before: a crashing pod of that is not ours."""
    found = stand(want(), look(workload(observedGeneration=1), pod(ready=False)))
    assert found.pods == ()


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ({"phase": "Succeeded", "lastTransitionTime": "2026-11-24T10:00:05Z"}, End.DONE),
        ({"phase": "Initialized", "lastTransitionTime": "2026-11-24T10:00:05Z"}, End.DONE),
        ({"phase": "Succeeded", "lastTransitionTime": "2026-11-24T09:00:00Z"}, End.WAITING),
        ({"phase": "Progressing", "lastTransitionTime": "2026-11-24T10:00:05Z"}, End.WAITING),
        ({"phase": "Failed", "lastTransitionTime": "2026-11-24T10:00:05Z"}, End.BACK),
        ({}, End.WAITING),
    ],
)
def test_flaggers_canary_is_the_truth(status: Json, end: End) -> None:
    """Its Deployment itself is scaled to 0 once it was promoted."""
    live = workload(replicas=0, updatedReplicas=0, availableReplicas=0)
    live["spec"]["replicas"] = 0
    mark = Mark("Deployment", "web", "u1", 2, marked(workload()).template, "2026-11-24T10:00:00Z")
    asked = Want("web", "web", mark, {"web": frozenset({OURS})}, OURS)
    found = stand(asked, Look(live, (), (pod(mark="primary"),), {"status": status}))
    assert found.end is end


MARK = Mark("Deployment", "web", "u1", 2, "template", "2026-11-24T10:00:00Z")


def flagger(phase: str, *, kept: bool = False, promoted: bool = False) -> End:
    """Of a Canary that has not moved since the change."""
    live = workload(replicas=0, updatedReplicas=0, availableReplicas=0)
    live["spec"]["replicas"] = 0
    status = {"phase": phase, "lastTransitionTime": "2026-11-24T09:00:00Z"}
    mark = marked(workload(), "2026-11-24T10:00:00Z", workload() if kept else None)
    asked = Want("web", "web", mark, {"web": frozenset({OURS})}, OURS, promoted=promoted)
    return stand(asked, Look(live, (), (pod(mark="primary"),), {"status": status})).end


def test_flagger_does_not_move_for_what_is_not_in_the_template() -> None:
    assert flagger("Succeeded") is End.WAITING
    assert flagger("Succeeded", kept=True) is End.DONE
    assert flagger("Failed", kept=True) is End.BACK


def test_flagger_does_not_move_for_a_way_back_to_what_it_promoted() -> None:
    """Its Canary still says that what came after that failed."""
    assert flagger("Failed") is End.WAITING
    assert flagger("Failed", promoted=True) is End.DONE
    assert flagger("Progressing", promoted=True) is End.WAITING


def test_a_canary_that_is_suspended_is_said() -> None:
    found = canary({"spec": {"suspend": True}}, Want("web", "web", MARK, {}, OURS))
    assert found.words == "Flagger has not seen it yet: its Canary is suspended"


def test_a_canary_is_about_the_kind_and_the_name_of_its_target() -> None:
    mark = marked(workload())
    for kind, name in (("Deployment", "web"), ("DaemonSet", "web"), ("Deployment", "api")):
        canary = {"spec": {"targetRef": {"kind": kind, "name": name}}}
        assert is_about(canary, mark) is ((kind, name) == ("Deployment", "web"))


def argos(**status: Any) -> Json:
    """A Rollout that runs web's template in the stead of the Deployment, at generation 2."""
    complete = {"phase": "Healthy", "currentPodHash": "new", "stableRS": "new"}
    seen = {"observedGeneration": "1", "workloadObservedGeneration": "2"}
    return {
        "kind": "Rollout",
        "metadata": {"name": "web", "generation": 1},
        "spec": {"replicas": 2, "workloadRef": {"kind": "Deployment", "name": "web"}},
        "status": {**complete, **seen, **status},
    }


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ({}, End.DONE),
        ({"workloadObservedGeneration": "1"}, End.WAITING),
        ({"observedGeneration": "0"}, End.WAITING),
        ({"stableRS": "old"}, End.WAITING),
        ({"phase": "Degraded", "abort": True}, End.BACK),
    ],
)
def test_a_rollout_in_the_stead_of_a_deployment_is_the_truth(status: Json, end: End) -> None:
    """Which is at 0 itself."""
    live = workload(replicas=0, updatedReplicas=0, availableReplicas=0)
    live["spec"]["replicas"] = 0
    pods = [pod(name, kind="Rollout") for name in ("web-1", "web-2")]
    found = stand(want(), Look(live, (), pods, rollout=argos(**status)))
    assert found.end is end
    if end is End.DONE:
        assert found.words.endswith("(2x)")


def test_fewer_pods_than_the_rollout_asks_for_are_no_proof() -> None:
    """Failure mode 15."""
    found = stand(want(), Look(workload(), (), [pod(kind="Rollout")], rollout=argos()))
    assert found.words == "1 of 2 pods are seen to be ready"


def first(**status: Any) -> ContainerStatus:
    said = {"name": "prepare", "image_id": f"registry.test/web@{OURS}", "state": State(None)}
    return ContainerStatus(**{**said, **status})


@pytest.mark.parametrize(
    ("status", "end"),
    [
        (first(state=State(terminated=Ended())), End.DONE),
        (first(state=State(terminated=Ended()), image_id=""), End.DONE),  # cleaned away
        (first(state=State(terminated=Ended()), image_id=f"r@{OTHER}"), End.FAILED),
        (first(state=State(running=Running()), image_id=""), End.WAITING),  # a sidecar
        (None, End.WAITING),
    ],
)
def test_what_comes_first_is_proven_too(status: ContainerStatus | None, end: End) -> None:
    """Failure mode 15: an init container that runs an image of the release."""
    one = pod()
    told = msgspec.structs.replace(one.status, init_container_statuses=(status,) if status else ())
    both = {name: frozenset({OURS}) for name in ("web", "prepare")}
    asked = msgspec.structs.replace(want(), identities=both)
    found = stand(asked, look(workload(), msgspec.structs.replace(one, status=told)))
    assert found.end is end


def test_of_a_daemon_set_the_newest_pods_revision_is_the_new_one() -> None:
    live = workload(
        "DaemonSet", desiredNumberScheduled=2, updatedNumberScheduled=2, numberAvailable=2
    )
    old, new = (pod(n, mark=n, kind="DaemonSet") for n in ("a", "b"))

    replace = msgspec.structs.replace
    pods = [
        replace(
            p, metadata=replace(p.metadata, creation_timestamp=datetime(2026, 1, day, tzinfo=UTC))
        )
        for day, p in ((1, old), (2, new))
    ]
    assert stand(want("DaemonSet"), look(live, *pods)).words == "1 old to go"
