"""Containers that a namespace's LimitRanges would refuse. Pure.

kubernetes.io/docs/concepts/policy/limit-range; plugin/pkg/admission/limitranger: of a container's
own and what is filled in, the limit is held against `max` and the request against `min`. As with
quotas, it is the pod that is refused, to its controller: no dry run of a Deployment tells.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from shipit.targets.kubernetes.quotas import quantity
from shipit.targets.kubernetes.templates import Template

Json = dict[str, Any]


def refused(ranges: Iterable[Json], found: Iterable[Template]) -> Iterator[str]:
    """In sentences, with the object, the container and the LimitRange."""
    several = list(found)
    for one in ranges:
        name = str(one["metadata"]["name"])
        for limit in (one.get("spec") or {}).get("limits") or ():
            if limit.get("type") == "Container":
                yield from _of_containers(name, limit, several)


def _of_containers(name: str, limit: Json, found: Iterable[Template]) -> Iterator[str]:
    for template in found:
        for container in template.containers:
            said = container.get("resources") or {}
            limits = {**(limit.get("default") or {}), **(said.get("limits") or {})}
            requests = {
                **(limit.get("defaultRequest") or {}),
                **(said.get("limits") or {}),  # a limit without a request is the request, too
                **(said.get("requests") or {}),
            }
            for what in (
                *_above(limits, limit.get("max") or {}, "limit"),
                *_below(requests, limit.get("min") or {}, "request"),
            ):
                yield f"{template.title}: {container['name']} has {what} ({name})"


def _above(said: Mapping[str, Any], most: Mapping[str, Any], noun: str) -> Iterator[str]:
    for resource, bound in most.items():
        if resource not in said:
            yield f"no {noun} of {resource}, which has to be {bound} at most"
        elif _amount(said[resource]) > _amount(bound):
            yield f"a {noun} of {said[resource]} {resource}, and {bound} is the most"


def _below(said: Mapping[str, Any], least: Mapping[str, Any], noun: str) -> Iterator[str]:
    for resource, bound in least.items():
        if resource not in said:
            yield f"no {noun} of {resource}, which has to be {bound} at least"
        elif _amount(said[resource]) < _amount(bound):
            yield f"a {noun} of {said[resource]} {resource}, and {bound} is the least"


def _amount(said: Any) -> Decimal:
    return quantity(str(said))
