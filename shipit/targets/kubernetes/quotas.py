"""Whether what would run fits into a namespace's ResourceQuotas. Pure.

kubernetes.io/docs/concepts/policy/resource-quotas. A pod that a quota refuses is refused to its
controller, not to us: the rollout would only stand still.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from shipit.targets.kubernetes import names

Json = dict[str, Any]
Amounts = dict[str, Decimal]
_UNITS = {
    **{unit: Decimal(1000) ** n for n, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{unit: Decimal(1024) ** n for n, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    "m": Decimal("0.001"),
    "u": Decimal("0.000001"),
    "n": Decimal("0.000000001"),
}
_ALIASES = {"cpu": "requests.cpu", "memory": "requests.memory"}
_COUNTED = ("pods", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
_ENDED = ("Succeeded", "Failed")


class Metadata(msgspec.Struct, frozen=True):
    labels: dict[str, str] = {}


class Container(msgspec.Struct, frozen=True):
    image: str = ""
    resources: dict[str, Any] = {}


class PodSpec(msgspec.Struct, frozen=True):
    containers: tuple[Container, ...] = ()


class PodStatus(msgspec.Struct, frozen=True):
    phase: str = ""


class Pod(msgspec.Struct, frozen=True):
    """One that is there, as far as a quota counts it: of thousands no more is kept."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


def quantity(text: str) -> Decimal:
    """`500m`, `1Gi`, `1e3` (apimachinery, resource.Quantity). Raises ValueError."""
    for length in (2, 1):
        unit = _UNITS.get(text[-length:])
        if unit is not None and not text[-length:].isdecimal():
            return _number(text[:-length]) * unit
    return _number(text)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is no quantity") from None


def wanted(objects: Iterable[Json]) -> Amounts:
    """What the workloads among the objects ask for, with all their replicas."""
    total: Amounts = {}
    for one in objects:
        spec = one.get("spec") or {}
        if one["kind"] not in ("Deployment", "StatefulSet"):
            continue
        pod = (spec.get("template") or {}).get("spec") or {}
        _add(total, _of_template(pod), int(spec.get("replicas", 1)))
    return total


def used(pods: Iterable[Pod]) -> Amounts:
    """What pods that are there have taken."""
    total: Amounts = {}
    for pod in pods:
        if pod.status.phase not in _ENDED:
            _add(total, of_pod(c.resources for c in pod.spec.containers), 1)
    return total


def _of_template(spec: Mapping[str, Any]) -> Amounts:
    return of_pod(c.get("resources") or {} for c in spec.get("containers") or ())


def of_pod(containers: Iterable[Mapping[str, Any]]) -> Amounts:
    """By each container's `resources`. A limit without a request is the request, too."""
    total: Amounts = {"pods": Decimal(1)}
    for resources in containers:
        limits = resources.get("limits") or {}
        requests = {**limits, **(resources.get("requests") or {})}
        for kind, amounts in (("requests", requests), ("limits", limits)):
            for name in ("cpu", "memory"):
                if name in amounts:
                    _add(total, {f"{kind}.{name}": quantity(str(amounts[name]))}, 1)
    return total


def _add(total: Amounts, more: Amounts, times: int) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Decimal(0)) + amount * times


def exceeded(
    quotas: Iterable[Json], asked: Amounts, held: Amounts
) -> Iterator[tuple[str, str, Decimal, Decimal]]:
    """(quota, resource, asked, free) of what does not fit once `held`, our own, is given back."""
    for quota, key, left in _left(quotas):
        free = left + held.get(key, Decimal(0))
        if key in asked and asked[key] > free:
            yield quota, key, asked[key], max(free, Decimal(0))


def _left(quotas: Iterable[Json]) -> Iterator[tuple[str, str, Decimal]]:
    """(quota, resource, free) of what is counted for all pods: which others are, is for the server
    to say."""
    for quota in quotas:
        spec, status = quota.get("spec") or {}, quota.get("status") or {}
        if spec.get("scopes") or spec.get("scopeSelector"):
            continue
        for name, hard in (status.get("hard") or {}).items():
            key = _ALIASES.get(name, name)
            if key in _COUNTED:
                taken = quantity(str((status.get("used") or {}).get(name, "0")))
                yield str(quota["metadata"]["name"]), key, quantity(str(hard)) - taken


def crowded(
    quotas: Iterable[Json], objects: Iterable[Json], pods: Iterable[Pod]
) -> Iterator[tuple[str, str, str, Decimal, Decimal]]:
    """(workload, quota, resource, asked, free) where a rollout would stand still: not one new pod
    fits beside the old ones, and none of those goes before its successor is ready."""
    left = list(_left(quotas))
    running: dict[str, set[str]] = {}
    for pod in pods:
        if pod.status.phase not in _ENDED and names.NAME in pod.metadata.labels:
            images = running.setdefault(pod.metadata.labels[names.NAME], set())
            images |= {container.image for container in pod.spec.containers}
    for one in objects:
        metadata, spec = one["metadata"], (one.get("spec") or {})
        found = running.get((metadata.get("labels") or {}).get(names.NAME, ""), set())
        if one["kind"] != "Deployment" or not found or not _waits(spec):
            continue
        template = (spec.get("template") or {}).get("spec") or {}
        if {str(c.get("image")) for c in template.get("containers") or ()} <= found:
            continue
        asked = _of_template(template)
        for quota, key, free in left:
            if asked.get(key, Decimal(0)) > free:
                yield str(metadata["name"]), quota, key, asked[key], max(free, Decimal(0))


def _waits(spec: Mapping[str, Any]) -> bool:
    """Whether old pods wait for new ones (kubernetes.io, "Deployments", Max Unavailable: a percent
    is rounded down, and 25% where nothing is said)."""
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate" or not spec.get("replicas", 1):
        return False
    rolling = strategy.get("rollingUpdate") or {}
    if str(rolling.get("maxSurge", "25%")) in ("0", "0%"):
        return False
    said = str(rolling.get("maxUnavailable", "25%"))
    if said.endswith("%"):
        return int(said[:-1]) * int(spec.get("replicas", 1)) < 100
    return not int(said)


def unsaid(
    quotas: Iterable[Json], ranges: Iterable[Json], objects: Iterable[Json]
) -> Iterator[str]:
    """`web: limits.cpu` for what a quota counts, a container does not say and nothing fills in."""
    counted = {
        _ALIASES.get(name, name)
        for quota in quotas
        for name in (quota.get("status") or {}).get("hard") or {}
    } & set(_COUNTED[1:])
    filled = set(_defaults(ranges))
    for one in objects:
        pod = (((one.get("spec") or {}).get("template") or {}).get("spec")) or {}
        for container in pod.get("containers") or ():
            said = of_pod([container.get("resources") or {}])
            for key in sorted(counted - filled - said.keys()):
                yield f"{one['metadata']['name']}: {key}"


def _defaults(ranges: Iterable[Json]) -> Iterator[str]:
    """kubernetes.io/docs/concepts/policy/limit-range: a default limit is a request's, too."""
    for one in ranges:
        for limit in (one.get("spec") or {}).get("limits") or ():
            if limit.get("type") == "Container":
                for name in limit.get("default") or ():
                    yield from (f"limits.{name}", f"requests.{name}")
                for name in limit.get("defaultRequest") or ():
                    yield f"requests.{name}"


def shown(amount: Decimal, resource: str) -> str:
    """Memory in MiB, all else as a number."""
    if resource.endswith("memory"):
        return f"{amount / (1024 * 1024):.0f}Mi"
    return f"{amount.normalize():f}"
