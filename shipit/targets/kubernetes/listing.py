"""Pods' containers as rows, and what pods say of themselves in words."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.pods import (
    Container,
    ContainerStatus,
    Pod,
    PodSpec,
    PodStatus,
    digest_of,
)

Json = dict[str, Any]


class Port(msgspec.Struct, frozen=True, rename="camel"):
    container_port: int
    protocol: str = "TCP"


class ShownContainer(Container, frozen=True, rename="camel"):
    ports: tuple[Port, ...] = ()
    readiness_probe: Json | None = None


class ShownSpec(PodSpec, frozen=True, rename="camel"):
    containers: tuple[ShownContainer, ...] = ()


class ShownStatus(PodStatus, frozen=True, rename="camel"):
    pod_ip: str = msgspec.field(default="", name="podIP")


class ShownPod(Pod, frozen=True, rename="camel"):
    """With the few fields more that only a row of `shipit ps` has."""

    spec: ShownSpec = ShownSpec()
    status: ShownStatus = ShownStatus()


def containers(cluster: Cluster, selector: str) -> list[dict[str, str]]:
    """A row for each; a page of pods is held at a time."""
    found: dict[str, dict[str, str]] = {}
    for page in cluster.pages("v1", "Pod", ShownPod, selector=selector):
        found |= {row["name"]: row for row in rows(page.items)}
    return list(found.values())


def rows(pods: Iterable[ShownPod]) -> Iterator[dict[str, str]]:
    """A line of `shipit ps` for each container of each pod. `since` is RFC 3339, or empty."""
    for pod in pods:
        for container in pod.spec.containers:
            status = pod.status_of(container.name) or ContainerStatus(container.name)
            digest = digest_of(status)
            yield {
                "name": shown(pod, container.name),
                "service": pod.service_of(container.name),
                "image": container.image.partition("@")[0],
                "digest": str(digest) if digest else "",
                "state": state_of(pod, status),
                "health": health_of(container, status),
                "ports": _ports(container, pod.status.pod_ip),
                "since": _since(status),
            }


def shown(pod: Pod, container: str) -> str:
    """A container's name to people: its pod's, and its own where the pod has several."""
    return pod.name if len(pod.spec.containers) == 1 else f"{pod.name}/{container}"


def state_of(pod: Pod, status: ContainerStatus) -> str:
    """`running`, `exited (1)`, or the kubelet's own word for why it waits."""
    if pod.metadata.deletion_timestamp:
        return "terminating"
    state = status.state
    if state.running:
        return "running"
    if state.terminated:
        return f"exited ({state.terminated.exit_code})"
    if state.waiting:
        return state.waiting.reason or "waiting"
    return (pod.status.reason or pod.status.phase or "unknown").lower()


def health_of(container: ShownContainer, status: ContainerStatus) -> str:
    """Without a readiness probe the kubelet calls what runs ready: so do we."""
    if not status.state.running:
        return "unhealthy" if status.restart_count else "unknown"
    if status.ready:
        return "healthy"
    is_starting = status.started is False or not container.readiness_probe
    return "starting" if is_starting else "unhealthy"


def _ports(container: ShownContainer, address: str) -> str:
    where = f"{address}:" if address else ""
    return ", ".join(
        f"{where}{port.container_port}/{port.protocol.lower()}" for port in container.ports
    )


def _since(status: ContainerStatus) -> str:
    state = status.state.running or status.state.terminated
    began = state.started_at if state else None
    return began.isoformat() if began else ""
