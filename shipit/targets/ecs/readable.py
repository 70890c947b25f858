"""Definitions as flat paths, so that what runs compares with what is asked for, and reads well.

ECS answers with more than it was given: defaults, empty lists, times. Only what a person can have
asked for is kept, lists with names become paths, and what is empty is as good as not there.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from shipit.targets.ecs import names

Json = dict[str, Any]
Flat = dict[str, str]

_TASK = (
    *("networkMode", "requiresCompatibilities", "volumes", "runtimePlatform", "cpu", "memory"),
    *("executionRoleArn", "taskRoleArn", "ephemeralStorage", "pidMode", "ipcMode"),
    *("placementConstraints", "proxyConfiguration", "enableFaultInjection"),
)
_SERVICE = (
    *("networkConfiguration", "loadBalancers", "serviceRegistries", "enableExecuteCommand"),
    *("schedulingStrategy", "healthCheckGracePeriodSeconds", "launchType"),
    *("capacityProviderStrategy", "serviceConnectConfiguration", "deploymentConfiguration"),
    *("platformVersion", "placementConstraints", "placementStrategy"),
    *("enableECSManagedTags", "propagateTags", "availabilityZoneRebalancing"),
)
# What stays as it is in a service whose definition does not speak of it.
_LEFT_OUT = (
    *("platformVersion", "placementConstraints", "placementStrategy"),
    *("enableECSManagedTags", "propagateTags", "availabilityZoneRebalancing"),
)
_ROLLING = ("deploymentCircuitBreaker", "maximumPercent", "minimumHealthyPercent", "alarms")
# What a list's items are called by.
_KEYS = (
    *("name", "containerPort", "containerName", "sourceVolume", "targetGroupArn", "registryArn"),
    *("capacityProvider", "namespace", "portName"),
)
_ROLES = ("executionRoleArn", "taskRoleArn")
_HIDDEN = ".environment."


def task_definition(body: Mapping[str, Any]) -> Flat:
    """`<container>.<path>` and `task.<path>`."""
    flat: Flat = {}
    for container in body.get("containerDefinitions") or ():
        inner = {key: value for key, value in container.items() if key != "name"}
        flat |= _flat(inner, str(container["name"]))
    own = {key: body[key] for key in _TASK if key in body}
    for role in _ROLES:
        if role in own:
            own[role] = names.last_part(own[role])  # a name and its ARN are the same role
    flat |= _flat(own, "task")
    return {path: value for path, value in flat.items() if not _is_default(path, value)}


def service(found: Mapping[str, Any]) -> Flat:
    """`service.<path>`, of a service as it is described or as it is rendered."""
    own = {key: found[key] for key in _SERVICE if key in found}
    current = [d for d in found.get("deployments") or () if d.get("status") == "PRIMARY"]
    if current and current[0].get("serviceConnectConfiguration"):
        own["serviceConnectConfiguration"] = current[0]["serviceConnectConfiguration"]
    rolling = own.pop("deploymentConfiguration", {})
    kept = {key: rolling[key] for key in _ROLLING if key in rolling}
    breaker = kept.get("deploymentCircuitBreaker") or {}
    kept["deploymentCircuitBreaker"] = {k: breaker.get(k) for k in ("enable", "rollback")}
    if not (kept.get("alarms") or {}).get("enable"):
        kept.pop("alarms", None)
    return _flat({**own, "deployment": kept}, "service")


def without_left_out(was: Flat, want: Flat) -> Flat:
    """What runs, without the settings that are its own matter."""
    said = {path.split(".")[1] for path in want if path.startswith("service.")}
    return {
        path: value
        for path, value in was.items()
        if (key := path.split(".")[1]) in said or key not in _LEFT_OUT
    }


def difference(before: Flat, after: Flat) -> tuple[str, ...]:
    """Lines that start with - and +. Values of variables may be secrets, and are not shown."""
    lines: list[str] = []
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            lines += [f"- {path}: {_shown(path, before[path])}"] if path in before else []
            lines += [f"+ {path}: {_shown(path, after[path])}"] if path in after else []
    return tuple(lines)


def _flat(value: Any, path: str) -> Flat:
    if isinstance(value, Mapping):
        found: Flat = {}
        for key, inner in value.items():
            found |= _flat(inner, f"{path}.{key}")
        return found
    if isinstance(value, list | tuple):
        return _list(value, path)
    if value is None or value is False or value in ("", 0):
        return {}
    return {path: "true" if value is True else str(value)}


def _list(items: Iterable[Any], path: str) -> Flat:
    several = list(items)
    if not several:
        return {}
    if all(isinstance(item, Mapping) for item in several):
        found: Flat = {}
        for n, item in enumerate(several):
            found |= _item(item, n, path)
        return found
    return {path: " ".join(_word(item) for item in several)}


def _item(item: Mapping[str, Any], n: int, path: str) -> Flat:
    """`environment` and its like are name and value; others keep what they hold, by their name."""
    pair = next((k for k in ("value", "valueFrom") if set(item) == {"name", k}), None)
    if pair:
        # An empty value is a value.
        return {f"{path}.{item['name']}": str(item[pair])}
    key = next((str(item[k]) for k in _KEYS if item.get(k)), str(n))
    return {f"{path}.{key}": "yes"} | _flat(item, f"{path}.{key}")


def _word(item: Any) -> str:
    text = str(item)
    return repr(text) if not text or any(c.isspace() for c in text) else text


def _is_default(path: str, value: str) -> bool:
    return path.endswith(".efsVolumeConfiguration.rootDirectory") and value == "/"


def _shown(path: str, value: str) -> str:
    return "(value not shown)" if _HIDDEN in path else value
