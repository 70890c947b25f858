"""What would stop a deployment to a cluster, found before it does. Reads only, each guarded by
itself: what this identity may not look at is a warning, and the rest is looked at all the same."""

import re
from collections.abc import Iterator, Sequence

from shipit.errors import RemoteError, ShipitError
from shipit.model.deployment import Finding
from shipit.targets.kubernetes import (
    gateways,
    images,
    installed,
    limits,
    permissions,
    quotas,
    refusals,
)
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.look import Json, Look, guarded, wrong
from shipit.targets.kubernetes.templates import templates

OLDEST, NEWEST = (1, 29), (1, 36)  # what shipit is tested with; server-side apply is older by far


def reach(cluster: Cluster) -> Finding:
    """Whether the API server answers, with these credentials, and which version it is of."""
    try:
        answer = cluster.raw("GET", "/version")
    except ShipitError as error:
        return wrong("cluster", error)
    version = str(answer.get("gitVersion") or "").removeprefix("v")
    said = f"{cluster.access.name} answers: Kubernetes {version}"
    numbers = re.match(r"(\d+)\.(\d+)", version)
    spoken = (int(numbers[1]), int(numbers[2])) if numbers else NEWEST
    if spoken < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return Finding("warning", "cluster", said, f"shipit is tested with {oldest} and newer")
    if spoken > NEWEST:
        newest = ".".join(map(str, NEWEST))
        return Finding("warning", "cluster", said, f"shipit is tested with {newest} and older")
    return Finding("ok", "cluster", said)


def everything(look: Look) -> Iterator[Finding]:
    """After `reach`."""
    for subject, one_look in (
        ("namespace", _namespace),
        ("kinds", installed.kinds),
        ("permissions", permissions.look_at),
        ("quotas", _quotas),
        ("limits", _limits),
        ("storage", installed.storage),
        ("ingress", installed.ingress),
        ("gateway", gateways.look_at),
        ("images", images.look_at),
    ):
        yield from guarded(subject, one_look, look)


def _namespace(look: Look) -> Iterator[Finding]:
    name = look.cluster.namespace
    found = look.cluster.get("v1", "Namespace", name)
    if found is None:
        what = f"there is no namespace {name}"
        yield Finding("error", "namespace", what, f"`kubectl create namespace {name}`")
    elif (found.get("status") or {}).get("phase") == "Terminating":
        what = f"the namespace {name} is being deleted"
        yield Finding("error", "namespace", what, "wait until it is gone, and make it again")
    else:
        yield Finding("ok", "namespace", name)


def _quotas(look: Look) -> Iterator[Finding]:
    found = look.cluster.list("v1", "ResourceQuota")
    if not found or look.objects is None:
        return
    pages = look.cluster.pages("v1", "Pod", quotas.Pod, selector=look.selector)
    pods = [pod for page in pages for pod in page.items]
    wrong = [
        *_over(found, look.objects, pods),
        *_crowded(found, look.objects, pods),
        *_unsaid(found, look.objects, look.cluster),
    ]
    yield from wrong or [Finding("ok", "quotas", "what is asked for fits")]


def _over(
    found: Sequence[Json], objects: Sequence[Json], pods: Sequence[quotas.Pod]
) -> Iterator[Finding]:
    asked = quotas.wanted(objects)
    for quota, resource, wanted, free in quotas.exceeded(found, asked, quotas.used(pods)):
        yield Finding(
            "error",
            "quotas",
            f"{quota} leaves {quotas.shown(free, resource)} of {resource}, and "
            f"{quotas.shown(wanted, resource)} are asked for",
            "ask for less, or raise the quota",
        )


def _crowded(
    found: Sequence[Json], objects: Sequence[Json], pods: Sequence[quotas.Pod]
) -> Iterator[Finding]:
    for name, quota, resource, wanted, free in quotas.crowded(found, objects, pods):
        yield Finding(
            "error",
            "quotas",
            f"{quota} leaves {quotas.shown(free, resource)} of {resource}, and a new pod of {name}"
            f" beside the old ones takes {quotas.shown(wanted, resource)}",
            "raise the quota, or let an old pod go first: deploy.update_config.order: stop-first",
        )


def _unsaid(found: Sequence[Json], objects: Sequence[Json], cluster: Cluster) -> Iterator[Finding]:
    ranges = _ranges(cluster)
    more = "" if ranges is not None else " (unless a LimitRange fills it in: not verified)"
    for what in quotas.unsaid(found, ranges or (), objects):
        yield Finding(
            "error" if ranges is not None else "warning",
            "quotas",
            f"{what} is counted by a quota and not said: its pods would be refused{more}",
            "say it under deploy.resources in compose.yaml",
        )


def _limits(look: Look) -> Iterator[Finding]:
    if look.objects is None:
        return
    ranges = look.cluster.list("v1", "LimitRange")
    found = templates((*look.objects, *look.tasks))
    for what in limits.refused(ranges, found):
        step = "say another one under deploy.resources in compose.yaml"
        yield Finding("error", "limits", f"{what}: its pods would be refused", step)


def _ranges(cluster: Cluster) -> list[Json] | None:
    """None where they may not be read."""
    try:
        return cluster.list("v1", "LimitRange")
    except RemoteError as error:
        if refusals.is_forbidden(error):
            return None
        raise
