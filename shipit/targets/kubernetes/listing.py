"""Pods' containers as rows, and what pods say of themselves in words. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from shipit.targets.kubernetes import names

Json = dict[str, Any]
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}$")


def rows(pods: Iterable[Json]) -> Iterator[dict[str, str]]:
    """A line of `shipit ps` for each container of each pod. `since` is RFC 3339, or empty."""
    for pod in pods:
        containers = (pod.get("spec") or {}).get("containers") or []
        for container in containers:
            status = status_of(pod, container["name"])
            yield {
                "name": shown(pod, container["name"]),
                "service": service_of(pod),
                "image": str(container.get("image") or "").partition("@")[0],
                "digest": digest_of(status),
                "state": state_of(pod, status),
                "health": health_of(container, status),
                "ports": _ports(container, str((pod.get("status") or {}).get("podIP") or "")),
                "since": _since(status),
            }


def up(pods: Iterable[Json]) -> int:
    """How many run, ready or not."""
    return sum((pod.get("status") or {}).get("phase") == "Running" for pod in pods)


def shown(pod: Json, container: str) -> str:
    """A container's name to people: its pod's, and its own where the pod has several."""
    name = str(pod["metadata"]["name"])
    containers = (pod.get("spec") or {}).get("containers") or ()
    return name if len(containers) == 1 else f"{name}/{container}"


def service_of(pod: Json) -> str:
    labels: Mapping[str, str] = pod["metadata"].get("labels") or {}
    return labels.get(names.NAME, "")


def status_of(pod: Json, container: str) -> Json:
    """The container's status; empty while the kubelet has none."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((dict(s) for s in statuses if s["name"] == container), {})


def digest_of(status: Json) -> str:
    """What runs: `docker.io/library/nginx@sha256:…`, `docker-pullable://…`, or `sha256:…`."""
    found = _DIGEST.search(str(status.get("imageID") or ""))
    return found.group() if found else ""


def state_of(pod: Json, status: Json) -> str:
    """`running`, `exited (1)`, or the kubelet's own word for why it waits."""
    if pod["metadata"].get("deletionTimestamp"):
        return "terminating"
    state = status.get("state") or {}
    if "running" in state:
        return "running"
    if "terminated" in state:
        return f"exited ({state['terminated'].get('exitCode', '?')})"
    if "waiting" in state:
        return str(state["waiting"].get("reason") or "waiting")
    said = pod.get("status") or {}
    return str(said.get("reason") or said.get("phase") or "unknown").lower()


def health_of(container: Json, status: Json) -> str:
    """Without a readiness probe the kubelet calls what runs ready: so do we."""
    if "running" not in (status.get("state") or {}):
        return "unhealthy" if status.get("restartCount") else "unknown"
    if status.get("ready"):
        return "healthy"
    is_starting = status.get("started") is False or not container.get("readinessProbe")
    return "starting" if is_starting else "unhealthy"


def _ports(container: Json, address: str) -> str:
    where = f"{address}:" if address else ""
    return ", ".join(
        f"{where}{port['containerPort']}/{str(port.get('protocol') or 'TCP').lower()}"
        for port in container.get("ports") or ()
    )


def _since(status: Json) -> str:
    state = status.get("state") or {}
    running = state.get("running") or state.get("terminated") or {}
    return str(running.get("startedAt") or "").replace("Z", "+00:00")
