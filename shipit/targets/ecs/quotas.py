"""Whether what a deployment needs at its peak fits into the account's quotas.

By their names in the AWS General Reference, "Amazon ECS endpoints and quotas" and "AWS Fargate
endpoints and quotas".
"""

import math
from collections.abc import Iterator

from shipit.errors import ShipitError
from shipit.model.deployment import Finding
from shipit.targets.ecs import names
from shipit.targets.ecs.look import Look, on_fargate
from shipit.targets.ecs.render import Rendered
from shipit.targets.ecs.sizes import SHARES

_TASKS, _SERVICES = "Tasks per service", "Services per cluster"
_ON_DEMAND = "Fargate On-Demand vCPU resource count"
_SPOT = "Fargate Spot vCPU resource count"


def look_at(look: Look) -> Iterator[Finding]:
    """One line when all is well, and one when they cannot be read."""
    if not look.wanted:
        return
    try:
        fargate = any(on_fargate(one) for one in look.wanted.values())
        limits = _limits(look, "ecs") | (_limits(look, "fargate") if fargate else {})
        needs = [*_tasks(look), *_services(look), *_cpu(look)]
    except ShipitError as error:
        yield Finding("warning", "quotas", f"could not look: {error.what}", error.next_step)
        return
    unknown = sorted({name for name, _, _ in needs if name not in limits})
    if unknown:
        yield Finding("warning", "quotas", f"could not look: AWS tells nothing of {unknown[0]}")
    over = [n for n in needs if n[1] > limits.get(n[0], math.inf)]
    for name, need, subject in over:
        yield Finding(
            "error",
            "quotas",
            f"{name} is {limits[name]:g}, and {subject} needs {need:g} at its peak",
            "ask for more in Service Quotas, or deploy fewer at once (update_config.parallelism)",
        )
    if not over and not unknown:
        yield Finding("ok", "quotas", f"{_said(needs)} at the peak fit")


def _limits(look: Look, service: str) -> dict[str, float]:
    answer = look.cloud.call(
        "service-quotas", "list_service_quotas", ServiceCode=service, MaxResults=100
    )
    return {str(q["QuotaName"]): float(q["Value"]) for q in answer.get("Quotas") or ()}


def _tasks(look: Look) -> Iterator[tuple[str, float, str]]:
    for one in look.wanted.values():
        yield _TASKS, float(peak(one)), one.name


def _services(look: Look) -> Iterator[tuple[str, float, str]]:
    arns = look.cloud.pages(
        "ecs", "list_services", "serviceArns", cluster=look.cluster, maxResults=100
    )
    there = {names.last_part(arn) for arn in arns} | {one.name for one in look.wanted.values()}
    yield _SERVICES, float(len(there)), f"the cluster {names.last_part(look.cluster)}"


def _cpu(look: Look) -> Iterator[tuple[str, float, str]]:
    """The quota is the region's, for all that run there: more than it can only be refused."""
    needs = {_ON_DEMAND: 0.0, _SPOT: 0.0}
    for one in look.wanted.values():
        if on_fargate(one):
            needs[_SPOT if _is_spot(one) else _ON_DEMAND] += peak(one) * _cpus(one)
    for name, need in needs.items():
        if need:
            yield name, need, "the environment"


def _is_spot(one: Rendered) -> bool:
    chosen = one.service.get("capacityProviderStrategy") or ()
    return {c["capacityProvider"] for c in chosen} == {"FARGATE_SPOT"}


def _cpus(one: Rendered) -> float:
    """A task's. ECS refuses a Fargate task without it, and says so better."""
    units = str(one.task_definition.get("cpu", ""))
    return int(units) / SHARES if units.isdigit() else 0.0


def peak(one: Rendered) -> int:
    """The most tasks of a service while it is deployed."""
    rolling = one.service["deploymentConfiguration"]
    return max(math.floor(one.count * int(rolling["maximumPercent"]) / 100), one.count)


def _said(needs: list[tuple[str, float, str]]) -> str:
    tasks = sum(need for name, need, _ in needs if name == _TASKS)
    cpu = sum(need for name, need, _ in needs if name in (_SPOT, _ON_DEMAND))
    return f"{tasks:g} tasks" + (f" with {cpu:g} vCPU" if cpu else "")
