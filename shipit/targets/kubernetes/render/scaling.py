"""How many pods there may be, and how few. Pure."""

from collections.abc import Iterator
from typing import Any

from shipit.errors import ConfigurationError
from shipit.model.application import replicas
from shipit.targets.kubernetes import extension, names
from shipit.targets.kubernetes.render import container
from shipit.targets.kubernetes.render.scope import Scope

Json = dict[str, Any]


def budget(scope: Scope, service: str, kind: str) -> Iterator[Json]:
    """A PodDisruptionBudget where there are several: nodes that are emptied take one at a time.
    What is not ready anyway is in nobody's way (policy/v1, unhealthyPodEvictionPolicy)."""
    said = scope.said(service).autoscale
    least = said.min if said else replicas(scope.definition(service))
    if kind == "DaemonSet" or least < 2:
        return
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": names.selector(scope.desired, service)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    yield scope.made("policy/v1", "PodDisruptionBudget", service, service, spec=spec)


def autoscaler(scope: Scope, service: str, kind: str) -> Iterator[Json]:
    """A HorizontalPodAutoscaler, where x-kubernetes.autoscale says so."""
    said, path = scope.said(service).autoscale, f"services.{service}.{extension.KEY}.autoscale"
    if said is None:
        return
    if kind == "DaemonSet":
        raise ConfigurationError("what is on every node is not scaled", path=path)
    if said.min > said.max:
        raise ConfigurationError(f"it is more than max, {said.max}", path=f"{path}.min")
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": service},
        "minReplicas": said.min,
        "maxReplicas": said.max,
        "metrics": list(_metrics(scope, service, said, path)),
    }
    yield scope.made("autoscaling/v2", "HorizontalPodAutoscaler", service, service, spec=spec)


def _metrics(scope: Scope, service: str, said: extension.Autoscale, path: str) -> Iterator[Json]:
    asked = container.resources(f"services.{service}", scope.definition(service))
    known = {**asked.get("limits", {}), **asked.get("requests", {})}
    if said.cpu is None and said.memory is None:
        raise ConfigurationError(
            "expected cpu or memory, in percent of what is reserved", path=path
        )
    for name, percent in (("cpu", said.cpu), ("memory", said.memory)):
        if percent is None:
            continue
        if name not in known:
            raise ConfigurationError(
                f"no {name} is reserved, of which this would be the percentage",
                path=f"{path}.{name}",
                next_step="say it under deploy.resources.reservations",
            )
        target = {"type": "Utilization", "averageUtilization": percent}
        yield {"type": "Resource", "resource": {"name": name, "target": target}}
