"""Stop, start and remove what is there.

Stopped is scaled to 0. A HorizontalPodAutoscaler stays: it does nothing while its workload has 0
replicas (kubernetes.io, "Horizontal Pod Autoscaling", implicit maintenance-mode deactivation), and
goes on from the number that `start` brings back.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from shipit.errors import PreconditionError, RemoteError
from shipit.targets.kubernetes import applyset, names, resources
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.pods import Pod
from shipit.targets.kubernetes.standing import target_of
from shipit.targets.kubernetes.survey import Survey, in_parallel
from shipit.targets.kubernetes.watching import Change, limited

Json = dict[str, Any]
Kinds = Sequence[tuple[str, str]]
STOPPED = "shipit.dev/stopped"  # how many replicas there were; for a CronJob "schedule"
_SCALED = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"))
_EVERYWHERE = ("apps/v1", "DaemonSet")
_SCHEDULED = ("batch/v1", "CronJob")
_ROLLOUT = ("argoproj.io/v1alpha1", "Rollout")  # argo-rollouts, v1alpha1: `replicas`, as ours
KINDS: Kinds = (*_SCALED, _EVERYWHERE, _SCHEDULED)
_MOVING = 300.0  # seconds for pods to come and go
_TRIES = 5  # while the controllers write what they see


def kinds(parent: Mapping[str, Any] | None) -> Kinds:
    """Those of the environment's ApplySet, and what every cluster has."""
    has_rollouts = f"{_ROLLOUT[1]}.argoproj.io" in applyset.kinds_of(parent)
    return (*KINDS, _ROLLOUT) if has_rollouts else KINDS


def workloads(
    cluster: Cluster, selector: str, services: Sequence[str], of: Kinds = KINDS
) -> list[Json]:
    """What `stop` and `start` are about, of those services (all when none is named).

    Raises PreconditionError for a DaemonSet: it has no number.
    """
    every = [one for kind in of for one in cluster.list(*kind, selector=selector)]
    found = [one for one in _counted(every) if not services or service_of(one) in services]
    for one in found:
        if one["kind"] == _EVERYWHERE[1]:
            name = service_of(one)
            raise PreconditionError(
                f"{name} runs on every node, and Kubernetes has no number of it to set to 0",
                f"it is a DaemonSet (services.{name}.deploy.mode: global)",
                "name the other services, or take it out of compose.yaml and deploy",
            )
    return found


def _counted(every: Sequence[Json]) -> list[Json]:
    """Without the Deployments that a Rollout runs: theirs is the count."""
    moved = {(t.get("kind"), t.get("name")) for t in map(target_of, every)}
    return [one for one in every if (one["kind"], one["metadata"]["name"]) not in moved]


def service_of(one: Json) -> str:
    labels = one["metadata"].get("labels") or {}
    return str(labels.get(names.NAME, ""))


def stop(cluster: Cluster, found: Iterable[Json]) -> list[Json]:
    """To 0, what it was written down in the same request; those that it was done to."""
    stopped = []
    for one in found:
        spec = one.get("spec") or {}
        if one["kind"] == _SCHEDULED[1]:
            if not spec.get("suspend"):
                stopped.append(_change(cluster, one, "schedule", {"suspend": True}))
        elif int(spec.get("replicas", 1)):
            count = str(spec.get("replicas", 1))
            stopped.append(_change(cluster, one, count, {"replicas": 0}))
    return stopped


def start(cluster: Cluster, found: Iterable[Json]) -> list[Json]:
    """What was stopped, to what it was; what is at 0 for another reason, to 1."""
    started = []
    for one in found:
        spec = one.get("spec") or {}
        before = str((one["metadata"].get("annotations") or {}).get(STOPPED, ""))
        if one["kind"] == _SCHEDULED[1]:
            if spec.get("suspend") and before:  # suspended by somebody else, it stays so
                started.append(_change(cluster, one, None, {"suspend": False}))
        elif not int(spec.get("replicas", 1)):
            count = max(int(before) if before.isdecimal() else 1, 1)
            started.append(_change(cluster, one, None, {"replicas": count}))
    return started


def _change(cluster: Cluster, one: Json, note: str | None, spec: Json) -> Json:
    """Refused by the server (409) when somebody changed what is asked of it since it was read. Its
    status moves all the time, and an answer that was lost may have been about this change."""
    kind = (one["apiVersion"], one["kind"], one["metadata"]["name"])
    for _ in range(_TRIES):
        body = {
            "metadata": {
                "resourceVersion": one["metadata"]["resourceVersion"],
                "annotations": {STOPPED: note},
            },
            "spec": spec,
        }
        try:
            return cluster.patch(*kind, body)
        except RemoteError as error:
            now = cluster.get(*kind) if error.status == 409 else None
            if now and _is_so(now, note, spec):
                return now
            if not now or now.get("spec") != one.get("spec"):
                raise
        one = {**one, "metadata": now["metadata"]}
    raise RemoteError(
        f"{resources.title(one)} changes faster than it can be changed",
        f"it was refused {_TRIES} times",
        "try again",
    )


def _is_so(one: Json, note: str | None, spec: Json) -> bool:
    noted = (one["metadata"].get("annotations") or {}).get(STOPPED)
    return noted == note and all((one.get("spec") or {}).get(k) == v for k, v in spec.items())


def settle(
    cluster: Cluster,
    selector: str,
    settled: Callable[[Collection[Pod]], bool],
    *,
    within: float = _MOVING,
) -> None:
    """Wait until the pods are so, for `within` seconds at most: what it came to is told by the
    next look. Those that Flagger keeps beside them do not come or go with their workload."""
    pods: dict[str, Pod] = {}
    complete = False
    watch = cluster.watcher("v1", "Pod", Pod, selector=selector)
    with limited(watch, within) as changes:
        for change in changes:
            complete = complete or change.type == "SYNCED"
            _keep(pods, change)
            if complete and settled(pods.values()):
                return


def _keep(pods: dict[str, Pod], change: Change[Pod]) -> None:
    if change.object is None or change.object.is_promoted:
        return
    uid = change.object.metadata.uid
    if change.type == "DELETED":
        pods.pop(uid, None)
    else:
        pods[uid] = change.object


def up(pods: Iterable[Pod]) -> int:
    """How many run, ready or not."""
    return sum(pod.status.phase == "Running" for pod in pods)


def remove(survey: Survey, *, volumes: bool) -> Iterator[str]:
    """The members of the environment's ApplySet, the Jobs of its one-off tasks, its claims when
    asked; the parent in the end, so that a removal that was killed is taken up by the next."""
    seen = survey.read()
    cluster = survey.cluster
    ours = [one for one in seen.objects.values() if applyset.prunable(one) and _is_ours(one)]
    made = f"{survey.selector},{names.MANAGED_BY}=shipit"
    ours += cluster.list("batch/v1", "Job", selector=made)
    if volumes:
        ours += cluster.list("v1", "PersistentVolumeClaim", selector=made)
    ours.sort(key=resources.key)
    in_parallel([lambda one=one: cluster.remove(one) for one in ours])  # type: ignore[misc]
    settle(cluster, survey.selector, lambda pods: not pods)
    yield from (resources.title(one) for one in ours)
    if seen.parent:
        cluster.delete("v1", "ConfigMap", survey.instance)
        yield resources.title(seen.parent)


def _is_ours(one: Json) -> bool:
    """Where there is no set, the label alone says so; and others may use `instance`, too."""
    labels = one["metadata"].get("labels") or {}
    return applyset.PART_OF in labels or labels.get(names.MANAGED_BY) == "shipit"
