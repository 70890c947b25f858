"""Services as they run: counts, health, and the digests that the kubelets report. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from shipit.model import codec
from shipit.model.deployment import Health, Observed, ObservedService
from shipit.model.digest import Digest
from shipit.targets.kubernetes import names, plan, readable, resources, scheduled
from shipit.targets.kubernetes.pods import Pod, digest_of
from shipit.targets.kubernetes.standing import observed_generation
from shipit.targets.kubernetes.survey import Seen

Json = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Rollout")


def observed(seen: Seen) -> Observed:
    pods = by_service(seen.pods.values())
    services = {}
    for one in workloads(seen.objects.values()):
        name = plan.service_of(one)
        own = pods.get(name, [])
        services[name] = _service(name, one, own, main_container(one))
        for beside in members(one)[1:]:
            services.setdefault(beside, _service(beside, one, own, beside))
    timed = (one for one in seen.objects.values() if one["kind"] == scheduled.KIND[1])
    services |= {found.name: found for found in map(scheduled.observed, timed)}
    return Observed(
        services=services,
        fingerprint=fingerprint(seen.objects.values()),
        definitions=seen.objects,
        warnings=tuple(_warnings(seen.objects.values())),
    )


def workloads(objects: Iterable[Json]) -> list[Json]:
    """What has a pod template. A Rollout that runs a Deployment's has none of its own."""
    return [
        one for one in objects if one["kind"] in WORKLOADS and not one["spec"].get("workloadRef")
    ]


def by_service(pods: Iterable[Pod]) -> dict[str, list[Pod]]:
    found: dict[str, list[Pod]] = {}
    for pod in pods:
        if not pod.is_of_job:  # a Job may have the name of a workload
            found.setdefault(pod.head, []).append(pod)
    return found


def fingerprint(objects: Iterable[Json]) -> str:
    """What a plan relies on: which workloads there are, and what was asked of them.

    A generation moves with the spec and not with the status; an autoscaler's count is not asked
    for by anybody, so the spec is hashed without it.
    """
    facts = sorted([resources.key(one), *_asked(one)] for one in workloads(objects))
    return str(Digest.of(codec.canonical(facts)))


def _asked(one: Json) -> list[str]:
    spec = {key: value for key, value in one["spec"].items() if key != "replicas"}
    stopped = not one["spec"].get("replicas", 1)
    return [
        str(one["metadata"].get("uid", "")),
        str(Digest.of(codec.canonical(spec))),
        str(stopped),
    ]


def heads(objects: Iterable[Json]) -> dict[str, str]:
    """By service, the one in whose pods it is: mostly itself."""
    return {member: plan.service_of(one) for one in workloads(objects) for member in members(one)}


def members(one: Mapping[str, Any]) -> tuple[str, ...]:
    """The services whose containers are in its pods, its own first."""
    metadata = (one["spec"].get("template") or {}).get("metadata") or {}
    said = str((metadata.get("annotations") or {}).get(names.SERVICES, ""))
    return names.members(said, plan.service_of(one))


def containers(one: Mapping[str, Any]) -> Sequence[Json]:
    found: Sequence[Json] = (one["spec"].get("template") or {}).get("spec", {}).get("containers")
    return found or ()


def _service(name: str, one: Json, pods: Sequence[Pod], container: str) -> ObservedService:
    """Where Flagger or Argo Rollouts has it at 0, what they run of it counts."""
    desired = desired_count(one)
    apart = [] if desired else [p for p in pods if p.is_apart(one["kind"]) and not p.is_going]
    running = [p for p in apart or pods if not p.is_going and p.status.phase == "Running"]
    health = _of_pods(apart) if apart else _health(one, running, desired)
    return ObservedService(
        name=name,
        desired=desired or len(apart),
        running=len(running),
        health=health,
        images=common_digests(running, container),
        spec=str(one["metadata"].get("generation", "")),
        release_id=readable.release_of(one),
        since=_since(running),
        detail=_detail(one),
        ports=tuple(_ports(one, container)),
    )


def desired_count(one: Mapping[str, Any]) -> int:
    """A DaemonSet's is what the scheduler makes of it."""
    if one["kind"] == "DaemonSet":
        return int((one.get("status") or {}).get("desiredNumberScheduled") or 0)
    count = one["spec"].get("replicas")
    return 1 if count is None else int(count)


def main_container(one: Mapping[str, Any]) -> str:
    """The one with the service's name; the first where none has it."""
    found = [str(c["name"]) for c in containers(one)]
    name = plan.service_of(one)
    return name if name in found else (found[0] if found else name)


def common_digests(pods: Iterable[Pod], container: str) -> tuple[Digest, ...]:
    """The digest that every one of them reports; none when they differ, or one does not say."""
    found = {digest_of(pod.status_of(container)) for pod in pods}
    only = found.pop() if len(found) == 1 else None
    return (only,) if only else ()


def _health(one: Json, running: Sequence[Pod], desired: int) -> Health:
    """Unknown is not healthy (FIELD.md, failure mode 16): what the controller has not seen yet,
    and pods that are not to be seen, are no good news."""
    status = one.get("status") or {}
    if not desired:
        return Health.STOPPED
    if observed_generation(one) < int(one["metadata"].get("generation") or 0):
        return Health.UNKNOWN
    ready = int(status.get("readyReplicas", status.get("numberReady")) or 0)
    if ready and not running:
        return Health.UNKNOWN
    if _has_failed(status) or any(_is_failing(pod) for pod in running):
        return Health.UNHEALTHY
    if len(running) >= desired and ready >= desired and all(pod.is_ready for pod in running):
        return Health.HEALTHY
    return Health.STARTING if _is_moving(status) else Health.UNHEALTHY


def _of_pods(pods: Sequence[Pod]) -> Health:
    if any(_is_failing(pod) for pod in pods):
        return Health.UNHEALTHY
    return Health.HEALTHY if all(pod.is_ready for pod in pods) else Health.STARTING


def _has_failed(status: Mapping[str, Any]) -> bool:
    return any(
        c.get("type") == "Progressing" and c.get("status") == "False"
        for c in status.get("conditions") or ()
    )


def _is_failing(pod: Pod) -> bool:
    return any(s.restart_count and not s.ready for s in pod.statuses)


def _is_moving(status: Mapping[str, Any]) -> bool:
    """A Deployment says so itself until it is complete or overdue; others while they replace."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing":
            return str(condition.get("reason")) != "NewReplicaSetAvailable"
    return True


def _since(pods: Sequence[Pod]) -> datetime | None:
    made = [p.metadata.creation_timestamp for p in pods if p.metadata.creation_timestamp]
    return min(made) if made else None


def _detail(one: Json) -> str:
    for condition in (one.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason") or "")
    return "paused" if one["spec"].get("paused") else ""


def _ports(one: Json, container: str) -> Iterable[str]:
    for found in containers(one):
        for port in (found.get("ports") or ()) if found["name"] == container else ():
            yield f"{port['containerPort']}/{str(port.get('protocol') or 'TCP').lower()}"


def _warnings(objects: Iterable[Json]) -> Iterable[str]:
    for one in workloads(objects):
        if one["spec"].get("paused"):
            yield f"{resources.title(one)} is paused: nothing that is applied to it rolls out"
