"""Running containers as rows."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from shipit.targets.ecs.names import last_part
from shipit.targets.ecs.survey import Live

Json = dict[str, Any]


def rows(live: Live) -> Iterator[dict[str, str]]:
    """A line of `shipit ps` for each container of each task. `since` is RFC 3339, or empty."""
    written = {c["name"]: c for c in live.definition.get("containerDefinitions") or ()}
    for task in live.tasks:
        started = task.get("startedAt")
        for container in task.get("containers") or ():
            if container["name"] in written:
                yield {
                    "name": f"{container['name']}/{last_part(task['taskArn'])[:8]}",
                    "service": str(container["name"]),
                    "image": str(container.get("image") or "").partition("@")[0],
                    "digest": str(container.get("imageDigest") or ""),
                    "state": str(container.get("lastStatus") or "").lower(),
                    "health": _health(container, written[container["name"]]),
                    "ports": _ports(written[container["name"]], _address(container)),
                    "since": started.isoformat(timespec="seconds")
                    if isinstance(started, datetime)
                    else "",
                }


def _health(container: Json, definition: Json) -> str:
    if "healthCheck" in definition:
        return str(container.get("healthStatus") or "UNKNOWN").lower()
    return "healthy" if container.get("lastStatus") == "RUNNING" else "unknown"


def _address(container: Json) -> str:
    found = container.get("networkInterfaces") or ()
    return str(found[0].get("privateIpv4Address") or "") if found else ""


def _ports(definition: Json, address: str) -> str:
    where = f"{address}:" if address else ""
    return ", ".join(
        f"{where}{port['containerPort']}/{port.get('protocol', 'tcp')}"
        for port in definition.get("portMappings") or ()
    )
