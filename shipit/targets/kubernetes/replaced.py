"""A service whose workload becomes one of another kind, as when it is given a volume.

The old one goes once the new one is proven (FIELD.md, failure mode 13), where the two can be beside
each other. Where they cannot, it goes first, as before: they mount one claim, which may be of one
node or pod; they hold ports of a node; the release says that the old goes first; or their pods
cannot be told apart.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from shipit.errors import RemoteError
from shipit.model.deployment import Action
from shipit.model.progress import Reason
from shipit.targets.kubernetes import lifecycle, names, refusals
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.handle import Gone
from shipit.targets.kubernetes.plan import Move
from shipit.targets.kubernetes.pods import Pod

Json = dict[str, Any]

# Which kind of object a workload's pods belong to.
_OWNERS = {
    "Deployment": "ReplicaSet",
    "Rollout": "ReplicaSet",
    "StatefulSet": "StatefulSet",
    "DaemonSet": "DaemonSet",
}
_GOING = 60.0  # seconds until the pods of what was deleted are on their way out


def leaving(moves: Collection[Move]) -> dict[str, Move]:
    """By service, the workload that goes once the one in its place is proven. Pure."""
    comes = {m.service: m.wanted for m in moves if m.wanted and m.wanted["kind"] in _OWNERS}
    goes = (m for m in moves if m.action is Action.REMOVE and m.live and m.live["kind"] in _OWNERS)
    return {m.service: m for m in goes if m.service in comes and _fit(m.live, comes[m.service])}


def _fit(old: Json | None, new: Json) -> bool:
    """Whether both can run at once, and their pods are told apart."""
    if old is None or _OWNERS[old["kind"]] == _OWNERS[new["kind"]]:
        return False
    return not (
        _claims(old) & _claims(new)
        or (_host_ports(old) and _host_ports(new))
        or _replaces_first(new)
    )


def _pod(one: Json) -> Json:
    found: Json = ((one.get("spec") or {}).get("template") or {}).get("spec") or {}
    return found


def _claims(one: Json) -> set[str]:
    volumes = (v.get("persistentVolumeClaim") for v in _pod(one).get("volumes") or ())
    return {str(claim["claimName"]) for claim in volumes if claim}


def _host_ports(one: Json) -> bool:
    pod = _pod(one)
    ports = (port for c in pod.get("containers") or () for port in c.get("ports") or ())
    return bool(pod.get("hostNetwork")) or any(port.get("hostPort") for port in ports)


def _replaces_first(one: Json) -> bool:
    """apps/v1, DeploymentStrategy: no pod may be there beside the wanted ones."""
    strategy = one["spec"].get("strategy") or {}
    surge = str((strategy.get("rollingUpdate") or {}).get("maxSurge", "25%"))
    return strategy.get("type") == "Recreate" or surge in ("0", "0%")


def without(pods: Iterable[Pod], kind: str) -> list[Pod]:
    """Those that are not of a workload of that kind; all where it is empty. Pure."""
    return [pod for pod in pods if not (kind and _is_of(pod, kind))]


def _is_of(pod: Pod, kind: str) -> bool:
    return any(owner.kind == _OWNERS[kind] for owner in pod.metadata.owner_references)


def retire(cluster: Cluster, selector: str, gone: Mapping[str, Gone]) -> Iterator[Reason]:
    """Take them away, by service, and wait until their pods are on their way out; what does not
    work, since they would go on being asked."""
    for service, one in gone.items():
        try:
            cluster.delete(
                one.api_version, one.kind, one.name, uid=one.uid, namespace=one.namespace
            )
        except RemoteError as error:
            why = refusals.in_words(error)
            yield Reason(service, f"its former {one.kind} cannot be taken away: {why}")
            return
    left: list[Pod] = []

    def settled(pods: Collection[Pod]) -> bool:
        left[:] = [p for p in pods if _is_left(p, gone) and not p.is_going]
        return not left

    services = f"{selector},{names.NAME} in ({','.join(sorted(gone))})"
    lifecycle.settle(cluster, services, settled, within=_GOING)
    for pod in left:
        yield Reason(pod.head, f"{pod.name} of its former {gone[pod.head].kind} is still there")


def _is_left(pod: Pod, gone: Mapping[str, Gone]) -> bool:
    return pod.head in gone and _is_of(pod, gone[pod.head].kind)
