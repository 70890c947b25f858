"""A healthcheck as probes. Pure.

Compose's one check becomes three (kubernetes.io, "Liveness, Readiness, and Startup Probes"):
readiness keeps requests away from what is unhealthy, and the rollout from going on; liveness
starts it again, as Swarm and ECS replace what is unhealthy; startup holds both back for the
start period, so that a slow start is no failure.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from shipit.errors import ConfigurationError
from shipit.model.duration import parse_duration
from shipit.targets.kubernetes import extension
from shipit.targets.kubernetes.render.text import plain

Json = dict[str, Any]

# As the Dockerfile reference has them, in seconds.
_INTERVAL, _TIMEOUT, _RETRIES = 30, 30, 3
_WHILE_STARTING = 5  # seconds between two looks at what starts: its start interval's default


class _Times(msgspec.Struct, frozen=True):
    """In whole seconds, as Kubernetes counts."""

    interval: int
    timeout: int
    retries: int
    start_period: int
    start_interval: int

    @property
    def starting(self) -> int:
        """Failures in a row that end a start: none counts in its period, and then `retries` do."""
        longest = self.start_period + self.interval * self.retries
        return max(math.ceil(longest / self.start_interval), 1)


def probes(path: str, definition: Mapping[str, Any], said: extension.Probes | None) -> Json:
    """startupProbe, readinessProbe and livenessProbe of a container; {} without a check."""
    check = definition.get("healthcheck") or {}
    action = _asked(path, said) or _command(path, check)
    if not action:
        return {}
    times = _times(check)
    steady = {
        **action,
        "periodSeconds": times.interval,
        "timeoutSeconds": times.timeout,
        "failureThreshold": times.retries,
    }
    starting = {
        **action,
        "periodSeconds": times.start_interval,
        "timeoutSeconds": times.timeout,
        "failureThreshold": times.starting,
    }
    made = {"startupProbe": starting, "readinessProbe": steady}
    if said is None or said.liveness:
        made["livenessProbe"] = steady
    return made


def _asked(path: str, said: extension.Probes | None) -> Json:
    if said is None:
        return {}
    found: list[Json] = []
    if said.http:
        found.append({"httpGet": {"path": said.http.path, "port": said.http.port}})
    if said.tcp:
        found.append({"tcpSocket": {"port": said.tcp}})
    if said.grpc:
        found.append({"grpc": {"port": said.grpc}})
    if len(found) > 1:
        raise ConfigurationError(
            "a probe asks in one way: http, tcp or grpc", path=f"{path}.{extension.KEY}.probes"
        )
    return found[0] if found else {}


def _command(path: str, check: Mapping[str, Any]) -> Json:
    test = check.get("test") or []
    if isinstance(test, str):
        test = ["CMD-SHELL", test]
    if check.get("disable") or not test or test[0] == "NONE":
        return {}
    if test[0] == "CMD-SHELL":
        return {"exec": {"command": ["/bin/sh", "-c", *(plain(word) for word in test[1:])]}}
    if test[0] == "CMD":
        return {"exec": {"command": [plain(word) for word in test[1:]]}}
    raise ConfigurationError(
        "a check starts with NONE, CMD or CMD-SHELL", path=f"{path}.healthcheck.test"
    )


def _times(check: Mapping[str, Any]) -> _Times:
    interval = seconds(check.get("interval"), _INTERVAL)
    return _Times(
        interval=interval,
        timeout=seconds(check.get("timeout"), _TIMEOUT),
        retries=max(int(check.get("retries") or _RETRIES), 1),
        start_period=seconds(check.get("start_period"), 0, least=0),
        start_interval=seconds(check.get("start_interval"), min(interval, _WHILE_STARTING)),
    )


def seconds(said: Any, default: int, *, least: int = 1) -> int:
    """Whole ones, rounded up."""
    if not said:
        return default
    return max(math.ceil(parse_duration(str(said)).total_seconds()), least)
