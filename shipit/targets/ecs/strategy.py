"""`deploy.update_config` as ECS's rolling deployment.

docs.aws.amazon.com/AmazonECS, "Deploy Amazon ECS services by replacing tasks": the most tasks are
rounded down, the least are rounded up.
"""

import math
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def configuration(deploy: Mapping[str, Any], count: int, alarms: tuple[str, ...]) -> Json:
    """`deploymentConfiguration` for so many replicas.

    The circuit breaker ends a deployment that fails, and does not roll back by itself unless
    failure_action says so: shipit goes back to the previous release as a whole, and it alone
    knows what was proven.
    """
    update = deploy.get("update_config") or {}
    action = update.get("failure_action") or "pause"
    least, most = _percents(update, count)
    if deploy.get("mode") == "global":
        least, most = 0, 100  # a machine's one task goes before the new one comes
    back = action == "rollback"
    made: Json = {
        "deploymentCircuitBreaker": {"enable": action != "continue", "rollback": back},
        "maximumPercent": most,
        "minimumHealthyPercent": least,
    }
    if alarms:
        made["alarms"] = {"alarmNames": sorted(alarms), "enable": True, "rollback": back}
    return made


def _percents(update: Mapping[str, Any], count: int) -> tuple[int, int]:
    """The least and the most. Left out: all new ones beside all old ones, ECS's own default."""
    parallel = update.get("parallelism")
    count = max(count, 1)
    if update.get("order") == "stop-first":
        at_once = count if parallel == 0 else min(int(parallel or 1), count)
        return math.floor(100 * (count - at_once) / count), 100
    if not parallel or int(parallel) >= count:
        return 100, 200
    return 100, 100 + math.ceil(100 * int(parallel) / count)
