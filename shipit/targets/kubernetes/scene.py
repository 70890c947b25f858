"""What is known of an environment while it rolls out, kept up to date by a watch for each kind."""

import queue
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from shipit.targets.kubernetes import names, replaced
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.pods import Pod, ReplicaSet
from shipit.targets.kubernetes.standing import Look, Mark, Want, is_about, target_of
from shipit.targets.kubernetes.watching import Change, Watch

Json = dict[str, Any]
T = TypeVar("T")
_VERSIONS = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Rollout": "argoproj.io/v1alpha1",
    "Canary": "flagger.app/v1beta1",
}
_WITH_SETS = frozenset({"Deployment"})
# They may be a platform team's, and have no label of ours.
_OF_ANYBODY = frozenset({"Canary", "Rollout"})


class Start(msgspec.Struct, frozen=True):
    """What was read a moment ago: workloads and Canaries, pods by uid, and their lists' versions
    by kind. What has no version is listed."""

    objects: tuple[Json, ...] = ()
    pods: dict[str, Pod] = {}
    versions: dict[str, str] = {}


class Scene:
    """Open within `with`. `away` says which connection is lost, and how; empty when none is."""

    def __init__(self, cluster: Cluster, selector: str, kinds: Iterable[str], start: Start) -> None:
        self.cluster = cluster
        self._selector = selector
        self._start = start
        self._kinds = sorted(set(kinds))
        self._arrived: queue.Queue[tuple[str, Change[Any] | Exception]] = queue.Queue()
        self._objects: dict[tuple[str, str], Json] = {}
        self._sets: dict[str, dict[str, ReplicaSet]] = {}
        self._pods: dict[str, dict[str, Pod]] = {}
        self._away: dict[str, str] = {}
        self._watches: dict[str, Watch[Any]] = {}
        self._pending: set[str] = set()

    @property
    def complete(self) -> bool:
        """Whether everything that there was has been told."""
        return not self._pending

    @property
    def away(self) -> str:
        return next(iter(self._away.values()), "")

    def __enter__(self) -> Self:
        for one in self._start.objects:
            if one["kind"] not in _OF_ANYBODY:
                self._objects[one["kind"], one["metadata"]["name"]] = one
        for uid, pod in self._start.pods.items():
            self._pods.setdefault(pod.head, {})[uid] = pod
        for kind in self._kinds:
            known = {
                one["metadata"]["uid"]: one for one in self._start.objects if one["kind"] == kind
            }
            self._watch(kind, _VERSIONS[kind], dict, known)
        if _WITH_SETS & set(self._kinds):
            self._watch("ReplicaSet", "apps/v1", ReplicaSet, {})
        self._watch("Pod", "v1", Pod, self._start.pods)
        for kind, watch in self._watches.items():
            threading.Thread(target=self._listen, args=(kind, watch), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for watch in self._watches.values():
            watch.close()

    def wait(self, seconds: float) -> set[str]:
        """The services of which there is news; all that is there is taken. Raises what ended a
        watch."""
        changed: set[str] = set()
        try:
            item = self._arrived.get(timeout=seconds) if seconds > 0 else self._arrived.get_nowait()
            while True:
                changed.add(self._take(*item))
                item = self._arrived.get_nowait()
        except queue.Empty:
            return changed

    def look(self, want: Want) -> Look:
        mark = want.mark
        canary, rollout = (self._mover(kind, mark) for kind in ("Canary", "Rollout"))
        pods = replaced.without(self._pods_of(want.head), want.leaving)
        if canary or rollout:
            pods = [pod for pod in pods if pod.is_apart(mark.kind)]
        return Look(
            live=self._objects.get((mark.kind, mark.name)),
            sets=tuple(self._sets.get(want.head, {}).values()),
            pods=pods,
            canary=canary,
            rollout=rollout,
        )

    def _pods_of(self, service: str) -> list[Pod]:
        """A Job in own manifests may have the name of a workload: its pods are none of it."""
        found = self._pods.get(service, {}).values()
        return [pod for pod in found if not pod.is_going and not pod.is_of_job]

    def _mover(self, kind: str, mark: Mark) -> Json | None:
        found = (one for (known, _), one in self._objects.items() if known == kind)
        return next((one for one in found if is_about(one, mark)), None)

    def _watch(self, kind: str, version: str, of: type[Any], known: Mapping[str, Any]) -> None:
        whose = "" if kind in _OF_ANYBODY else self._selector
        since = self._start.versions.get(kind, "") if whose else ""
        self._watches[kind] = self.cluster.watcher(
            version,
            kind,
            of,
            selector=whose,
            since=since,
            known=known if since else None,
        )
        if not since:
            self._pending.add(kind)

    def _listen(self, kind: str, watch: Watch[Any]) -> None:
        try:
            for change in watch.changes():
                self._arrived.put((kind, change))
        except Exception as error:  # noqa: BLE001 - whatever ends a watch ends the wait for its news
            if not watch.closed:
                self._arrived.put((kind, error))

    def _take(self, kind: str, change: Change[Any] | Exception) -> str:
        """The service that it is about."""
        if isinstance(change, Exception):
            raise change
        if change.type == "AWAY":
            self._away[kind] = f"the API server cannot be watched: {change.why}"
            return ""
        if change.type == "SYNCED":
            self._away.pop(kind, None)
            self._pending.discard(kind)
            return ""
        one, gone = change.object, change.type == "DELETED"
        if isinstance(one, Pod):
            return _keep(self._pods, one.head, one.metadata.uid, one, gone=gone)
        if isinstance(one, ReplicaSet):
            service = one.metadata.labels.get(names.NAME, "")
            return _keep(self._sets, service, one.metadata.uid, one, gone=gone)
        return self._take_object(kind, one or {}, gone=gone)

    def _head_of(self, name: str) -> str:
        """The service of a workload by its name: own manifests may call it something else."""
        for (kind, known), one in self._objects.items():
            if known == name and kind in ("Deployment", "DaemonSet"):
                return str((one["metadata"].get("labels") or {}).get(names.NAME) or name)
        return name

    def _take_object(self, kind: str, one: Json, *, gone: bool) -> str:
        whole = {"apiVersion": _VERSIONS[kind], "kind": kind, **one}
        place = (kind, whole["metadata"]["name"])
        if gone:
            self._objects.pop(place, None)
        else:
            self._objects[place] = whole
        labels = whole["metadata"].get("labels") or {}
        target = target_of(whole).get("name")
        return self._head_of(target) if target else str(labels.get(names.NAME) or place[1])


def _keep(into: dict[str, dict[str, T]], service: str, uid: str, one: T, *, gone: bool) -> str:
    if gone:
        into.get(service, {}).pop(uid, None)
    else:
        into.setdefault(service, {})[uid] = one
    return service
