"""Why pods do not come up: the kubelet's and the scheduler's words, events, and the last log lines.

FIELD.md, failure mode 36: a failure comes with the lines that tell why, of the life of the
container that failed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shipit.errors import ShipitError
from shipit.model.progress import Reason
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.pods import ContainerStatus, Ended, Pod, State

Json = dict[str, Any]
LINES = 20
_SHOWN = 3  # pods of a service
RESTARTS = 2  # a container that was started three times does not come up
SETTLE = 30.0  # seconds in which what a pod needs may still come (a Secret by an operator)
_NEVER = ("InvalidImageName", "ErrImageNeverPull")
_PULLS = ("ErrImagePull", "ImagePullBackOff", *_NEVER)
_NEEDS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
# What a registry says that it will say again: containerd's and its peers' words.
_FINAL = (
    "not found",
    "manifest unknown",
    "unauthorized",
    "denied",
    "forbidden",
    "no match for platform",
)


class Trouble(msgspec.Struct, frozen=True):
    """What is wrong with a pod. `final`: it will not pass; `passing`: give it time (SETTLE)."""

    words: str
    container: str = ""
    previous: bool = False
    final: bool = False
    passing: bool = False


def of_pod(pod: Pod) -> Trouble | None:
    """None while it only takes its time."""
    for status in pod.statuses:
        found = _of_container(status)
        if found:
            return found
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return Trouble(f"it cannot be scheduled: {condition.message or condition.reason}")
    if pod.status.phase == "Failed":
        return Trouble(f"it failed: {pod.status.message or pod.status.reason or 'no reason told'}")
    return None


def _of_container(status: ContainerStatus) -> Trouble | None:
    waiting = status.state.waiting
    ended = status.state.terminated or status.last_state.terminated
    if waiting and waiting.reason in _PULLS:
        final = waiting.reason in _NEVER or any(w in waiting.message.lower() for w in _FINAL)
        return Trouble(
            f"its image cannot be pulled: {waiting.message or waiting.reason}",
            status.name,
            final=final,
        )
    if waiting and waiting.reason in _NEEDS:
        words = f"it cannot be started: {waiting.message or waiting.reason}"
        return Trouble(words, status.name, passing=True)
    if ended and not status.ready and (status.restart_count or status.state.terminated):
        if ended.exit_code == 0 and not status.restart_count:
            return None  # an init container that has done its part
        previous = status.state.terminated is None
        final = status.restart_count >= RESTARTS
        return Trouble(_ended(ended), status.name, previous=previous, final=final)
    return None


def _ended(ended: Ended) -> str:
    if ended.reason == "OOMKilled":
        return "was killed: out of memory"
    if ended.reason in ("StartError", "ContainerCannotRun"):
        return f"it cannot be started: {' '.join(ended.message.split()) or ended.reason}"
    words = f"exited with code {ended.exit_code}"
    if ended.exit_code == 0:
        return f"{words}; a service stays up (mark one that runs once: `x-shipit: {{run: before}}`)"
    return words


def state_of(pod: Pod) -> str:
    """What a pod that is not ready is about, for a line of progress."""
    trouble = of_pod(pod)
    if trouble:
        return trouble.words
    if not pod.spec.node_name:
        return "waits for a node"
    waiting = [w for s in pod.statuses if (w := s.state.waiting)]
    if waiting:
        return waiting[0].message or waiting[0].reason
    return "runs, and is not ready yet" if pod.status.phase == "Running" else "starts"


def reasons(
    cluster: Cluster, service: str, words: str, pods: Sequence[Pod], owners: Iterable[str] = ()
) -> tuple[Reason, ...]:
    """One for each of the first pods in trouble; one without a pod where none tells why."""
    events = _Events(cluster)
    found = []
    ill = sorted((p for p in pods if not p.is_ready), key=lambda p: of_pod(p) is None)
    for pod in ill[:_SHOWN]:
        trouble = of_pod(pod)
        probe = events.last(pod.name, "Unhealthy")
        if trouble is None:
            said = probe or events.last(pod.name, "") or state_of(pod)
            trouble = Trouble(f"{words}; {said}" if words else said)
        elif probe and trouble.words.startswith("exited"):
            trouble = msgspec.structs.replace(trouble, words=f"{trouble.words}; {probe}")
        what = trouble.words if len(ill) == 1 else f"{pod.name} {trouble.words}"
        found.append(Reason(service, _line(what), tail(cluster, pod, trouble)))
    if not found:
        told = next((t for owner in owners if (t := events.last(owner, ""))), "")
        found.append(Reason(service, _line(f"{words}; {told}" if told else words)))
    return tuple(_distinct(found))


def _distinct(found: Iterable[Reason]) -> Iterator[Reason]:
    """Ten pods that fail alike are told once."""
    seen = set()
    for reason in found:
        words = reason.what.partition(" ")[2]
        if words not in seen:
            seen.add(words)
            yield reason


def tail(cluster: Cluster, pod: Pod, trouble: Trouble) -> tuple[str, ...]:
    """The last lines of the container that failed, in the life in which it did; none when they
    are not to be had: that must not hide the failure itself."""
    status = pod.status_of(trouble.container) if trouble.container else None
    container = trouble.container or next((c.name for c in pod.spec.containers), "")
    if status and status.state == State() and not status.restart_count:
        return ()
    for previous in (trouble.previous, not trouble.previous):
        if previous and not (status and status.restart_count):
            continue
        lines = _lines(cluster, pod.name, container, previous=previous)
        if lines:
            return lines
    return ()


def _lines(cluster: Cluster, pod: str, container: str, *, previous: bool) -> tuple[str, ...]:
    query = [("container", container), ("tailLines", str(LINES))]
    if previous:
        query.append(("previous", "true"))
    try:
        found = [line.decode(errors="replace") for line in cluster.logs(pod, query).lines()]
    except ShipitError:
        return ()
    return tuple(line.rstrip("\r") for line in found)[-LINES:]


class _Events:
    """The namespace's warnings, asked for once and only when something fails."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._found: list[Json] | None = None

    def last(self, name: str, reason: str) -> str:
        """The newest of an object, in words; of that reason where one is named."""
        own = [
            e
            for e in self._all()
            if (e.get("involvedObject") or {}).get("name") == name
            and reason in ("", e.get("reason"))
        ]
        newest = max(own, key=_when, default=None)
        return str(newest.get("message") or newest.get("reason") or "") if newest else ""

    def _all(self) -> list[Json]:
        if self._found is None:
            try:
                self._found = self._cluster.list("v1", "Event", fields="type=Warning")
            except ShipitError:
                self._found = []
        return self._found


def _when(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _line(text: str) -> str:
    return " ".join(text.split())
