"""A Compose health check as ECS's own, within ECS's bounds (API reference, HealthCheck)."""

from collections.abc import Mapping
from typing import Any

from shipit.model.duration import parse_duration
from shipit.targets.ecs.text import unescaped

Json = dict[str, Any]
_BOUNDS = {
    "interval": ("interval", 5, 300),
    "timeout": ("timeout", 2, 60),
    "start_period": ("startPeriod", 0, 300),
}


def health_check(path: str, definition: Mapping[str, Any]) -> tuple[Json | None, list[str]]:
    """None where there is none; and notes where a time had to be moved into ECS's bounds."""
    written = definition.get("healthcheck") or {}
    test = written.get("test") or []
    if written.get("disable") or not test or test[0] == "NONE":
        return None, []
    command = [test] if isinstance(test, str) else list(test)
    if isinstance(test, str):
        command = ["CMD-SHELL", test]
    made: Json = {"command": [unescaped(word) for word in command]}
    notes = []
    for key, (name, least, most) in _BOUNDS.items():
        if written.get(key) is None:
            continue
        asked = parse_duration(written[key]).total_seconds()
        made[name] = int(min(max(round(asked), least), most))
        if made[name] != asked:
            notes.append(f"{path}.healthcheck.{key} is {made[name]} s on ECS")
    if written.get("retries") is not None:
        made["retries"] = min(max(int(written["retries"]), 1), 10)
        if made["retries"] != int(written["retries"]):
            notes.append(f"{path}.healthcheck.retries is {made['retries']} on ECS")
    if written.get("start_interval"):
        notes.append(f"{path}.healthcheck.start_interval has no effect on ECS")
    return {**_DEFAULTS, **made}, notes


# What ECS fills in, written out so that what runs compares with what is asked for.
_DEFAULTS: Json = {"interval": 30, "timeout": 5, "retries": 3}
