"""Services as they run: counts, health, and the digests that the running containers report."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from shipit.model import codec
from shipit.model.deployment import Health, Observed, ObservedService
from shipit.model.digest import Digest
from shipit.targets.ecs import names, readable, schedules, timetable
from shipit.targets.ecs.render import Network
from shipit.targets.ecs.survey import Live
from shipit.targets.ecs.timetable import Entry

Json = dict[str, Any]
NETWORK = "(network)"  # no service is called so: what the tags of the network stand for


def observed(lives: Sequence[Live], network: Network, entries: Sequence[Entry] = ()) -> Observed:
    """`entries` are the schedules."""
    services = {
        str(container["name"]): _service(live, container)
        for live in lives
        if live.service.get("status") == "ACTIVE"
        for container in live.definition.get("containerDefinitions") or ()
    }
    definitions: dict[str, Json] = {live.group: _definition(live) for live in lives}
    definitions[NETWORK] = {
        "subnets": list(network.subnets),
        "security_groups": list(network.security_groups),
    }
    if entries:
        definitions[schedules.KEY] = timetable.definitions(entries)
    return Observed(
        services=services | {entry.service: _scheduled(entry) for entry in entries},
        fingerprint=fingerprint(lives, network, entries),
        definitions=definitions,
        warnings=tuple(w for live in lives for w in _warnings(live)),
    )


def network_of(found: Observed) -> Network:
    seen = found.definitions.get(NETWORK, {})
    return Network(tuple(seen.get("subnets", ())), tuple(seen.get("security_groups", ())))


def _scheduled(entry: Entry) -> ObservedService:
    """Nothing of it is asked to run now: it is as it should be while its schedule is on."""
    return ObservedService(
        name=entry.service,
        desired=0,
        running=0,
        health=Health.HEALTHY if entry.enabled else Health.STOPPED,
        images=entry.digests,
        spec=entry.revision,
        detail=entry.times if entry.enabled else f"its schedule is stopped ({entry.times})",
    )


def fingerprint(lives: Iterable[Live], network: Network, entries: Sequence[Entry] = ()) -> str:
    """What a plan relies on: the revision and the deployment of each service, and its settings;
    of each schedule its revision, its times and whether it is on.

    Not how many there are, which an autoscaler changes at any time; only whether it is none.
    """
    facts = sorted(
        [
            live.name,
            str(live.service.get("status")),
            str(live.service.get("taskDefinition")),
            str(live.primary.get("id", "")),
            str(bool(live.service.get("desiredCount"))),
            *(f"{k}={v}" for k, v in sorted(readable.service(live.service).items())),
        ]
        for live in lives
    )
    known = [sorted(network.subnets), sorted(network.security_groups)]
    times = sorted(
        [e.name, e.revision, str(e.enabled), repr(sorted(schedules.flat(e.body).items()))]
        for e in entries
    )
    return str(Digest.of(codec.canonical([facts, known, *times])))


def _definition(live: Live) -> Json:
    """What `plan` needs to know of a service, in plain values."""
    return {
        "task_definition": readable.task_definition(live.definition),
        "service": readable.service(live.service),
        "name": live.name,
        "ours": live.ours,
        "status": str(live.service.get("status")),
        "desired": int(live.service.get("desiredCount", 0)),
        "replicas": live.tags.get(names.REPLICAS, ""),
        "stopped": live.tags.get(names.STOPPED, ""),
        "scaled": live.scaled,
        "rollout": str(live.primary.get("rolloutState", "")),
        "rollout_reason": str(live.primary.get("rolloutStateReason", "")),
        "controller": str((live.service.get("deploymentController") or {}).get("type", "ECS")),
        "strategy": str(_rolling(live).get("strategy", "ROLLING")),
        "early_success": bool((_rolling(live).get("earlySuccessCriteria") or {}).get("enable")),
    }


def _rolling(live: Live) -> Json:
    found: Json = live.service.get("deploymentConfiguration") or {}
    return found


def _service(live: Live, container: Json) -> ObservedService:
    name = str(container["name"])
    ran = [c for t in live.tasks for c in t.get("containers") or () if c.get("name") == name]
    desired = int(live.service.get("desiredCount", 0))
    running = [c for c in ran if c.get("lastStatus") == "RUNNING"]
    since = live.primary.get("createdAt")
    return ObservedService(
        name=name,
        desired=desired,
        running=len(running),
        health=_health(live, running, desired, checked="healthCheck" in container),
        images=common_digests(running),
        spec=str(live.service.get("taskDefinition", "")),
        release_id=live.definition_tags.get(names.RELEASE, ""),
        since=since if isinstance(since, datetime) else None,
        detail=_detail(live),
        ports=tuple(
            f"{p['containerPort']}/{p.get('protocol', 'tcp')}"
            for p in container.get("portMappings") or ()
        ),
    )


def common_digests(containers: Sequence[Json]) -> tuple[Digest, ...]:
    """The digest that every one of them reports; none when they differ, or one does not say."""
    found = {str(c.get("imageDigest") or "") for c in containers}
    if len(found) != 1 or "" in found:
        return ()
    return (Digest(found.pop()),)


def _health(live: Live, running: Sequence[Json], desired: int, *, checked: bool) -> Health:
    """Unknown is not healthy."""
    if not desired:
        return Health.STOPPED
    states = {c.get("healthStatus", "UNKNOWN") for c in running} if checked else set()
    if "UNHEALTHY" in states or live.primary.get("rolloutState") == "FAILED":
        return Health.UNHEALTHY
    if len(running) < desired:
        moving = live.primary.get("rolloutState") == "IN_PROGRESS"
        return Health.STARTING if moving else Health.UNHEALTHY
    if "UNKNOWN" in states:
        return Health.STARTING
    return Health.HEALTHY


def _detail(live: Live) -> str:
    failed = live.primary.get("rolloutState") == "FAILED"
    return str(live.primary.get("rolloutStateReason", "")) if failed else ""


def _warnings(live: Live) -> list[str]:
    if live.primary.get("rolloutState") == "IN_PROGRESS" and len(live.service["deployments"]) > 1:
        return [f"{live.name}: a deployment is under way ({live.primary.get('id')})"]
    return []
