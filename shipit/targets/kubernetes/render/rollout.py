"""`deploy.update_config` as a workload's strategy. Pure.

kubernetes.io, "Deployments", Strategy. Left out, new pods come beside the old ones, a quarter at a
time, and none goes before its successor is ready.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes.render.probes import seconds

Json = dict[str, Any]
_SETTLE = 2  # seconds that a container without a healthcheck must have been up


def of_deployment(deploy: Mapping[str, Any]) -> Json:
    """`strategy`."""
    update = deploy.get("update_config") or {}
    parallel = update.get("parallelism")
    if update.get("order") != "stop-first":
        return _rolling(surge=parallel or ("25%" if parallel is None else "100%"), unavailable=0)
    if parallel == 0:
        return {"type": "Recreate"}
    return _rolling(surge=0, unavailable=parallel or 1)


def of_daemon_set(deploy: Mapping[str, Any]) -> Json:
    """`updateStrategy`. Left out, a node's pod goes before the new one comes: it may hold what
    there is once on a node."""
    update = deploy.get("update_config") or {}
    parallel = update.get("parallelism")
    at_once = "100%" if parallel == 0 else parallel or 1
    if update.get("order") == "start-first":
        return _rolling(surge=at_once, unavailable=0)
    return _rolling(surge=0, unavailable=at_once)


def of_stateful_set(path: str, deploy: Mapping[str, Any]) -> Json:
    """`updateStrategy`: each pod goes before its successor comes, one after the other. Raises
    ConfigurationError for the other order."""
    if (deploy.get("update_config") or {}).get("order") == "start-first":
        raise ConfigurationError(
            "its volume cannot be in two pods at once, so the old one has to go first",
            path=f"{path}.deploy.update_config.order",
            next_step="write stop-first, or give it a volume with access: ReadWriteMany",
        )
    return {"type": "RollingUpdate"}


def ready_for(deploy: Mapping[str, Any], *, is_asked: bool) -> int:
    """`minReadySeconds`: a pod counts, and the next one is begun, once it was ready for so long.

    What nobody asks how it is counts as ready the moment it runs, also when it ends at once.
    """
    update = deploy.get("update_config") or {}
    said = max(seconds(update.get(key), 0, least=0) for key in ("monitor", "delay"))
    return max(said, 0 if is_asked else _SETTLE)


def notes(path: str, deploy: Mapping[str, Any], kind: str) -> Iterator[str]:
    update = deploy.get("update_config") or {}
    if update.get("failure_action") in ("continue", "rollback"):
        yield (
            f"{path}.deploy.update_config.failure_action has no effect on Kubernetes: it goes back"
            " by itself never; shipit does, to what was proven"
        )
    if kind == "StatefulSet" and update.get("parallelism", 1) != 1:
        yield (
            f"{path}.deploy.update_config.parallelism has no effect on Kubernetes: where a volume"
            " is in one pod at a time, they go one after the other"
        )


def _rolling(*, surge: int | str, unavailable: int | str) -> Json:
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
    }
