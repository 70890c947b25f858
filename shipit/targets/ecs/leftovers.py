"""Revisions of task definitions that nothing needs any more. Never in the deploy path.

A revision is kept while a service of any cluster has it (in any of its deployments and task sets),
a task runs it, a schedule or a rule starts it, or a release that runs or ran before registered it.
What cannot be looked at ends it with nothing changed: not knowing is not "unused".
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from shipit.errors import PreconditionError, RemoteError
from shipit.model.deployment import Leftover
from shipit.targets.ecs import names
from shipit.targets.ecs.cloud import Cloud, code_of
from shipit.targets.ecs.survey import Live, Survey, at_once

Json = dict[str, Any]
_DELETED = 10  # the most that one DeleteTaskDefinitions may name
_DESCRIBED, _TASKS = 10, 100
_REVISION = re.compile(r"task-definition/([A-Za-z0-9_-]+:[0-9]+)|\b([A-Za-z0-9_-]+:[0-9]+)\b")


def find(
    survey: Survey, owner: dict[str, str], releases: Collection[str], keep: int
) -> list[Leftover]:
    """Of each family of this environment: all that nothing needs but the newest `keep` of them,
    and what was deregistered already and not deleted.

    `owner` are the tags that make a revision ours; `releases` the ids whose revisions stay. Raises
    PreconditionError while ECS moves a service.
    """
    there = survey.described(survey.listed())
    _refuse_moving(there)
    named = survey.cloud.pages(
        "ecs",
        "list_task_definition_families",
        "families",
        familyPrefix=f"{survey.prefix}-",
        status="ALL",
    )
    # A team's own task definition may have a family of another name.
    families = dict.fromkeys((*named, *map(_family, there.values())))
    used = set(_used(survey.cloud)) if families else set[str]()
    found: list[Leftover] = []
    for family in families:
        # The newest is what the family's bare name means: it stays whatever it is.
        active = _spare(survey, _revisions(survey, family, "ACTIVE")[1:], owner, used, releases)
        dead = _spare(survey, _revisions(survey, family, "INACTIVE"), owner, used, releases)
        found += [_leftover(arn, tags) for arn, tags in active[keep:]]
        found += [_leftover(arn, tags, ", deregistered already") for arn, tags in dead]
    return found


def _family(live: Live) -> str:
    return names.last_part(live.service["taskDefinition"]).partition(":")[0]


def _refuse_moving(there: Mapping[str, Live]) -> None:
    """In the middle of a deployment the way back may lead to what nothing else names."""
    moving = [n for n, live in there.items() if live.primary.get("rolloutState") == "IN_PROGRESS"]
    if moving:
        raise PreconditionError(
            f"ECS is in the middle of a deployment of {', '.join(moving)}",
            "what it would go back to has to stay until that ends",
            "wait for its end, and run this again",
        )


def _revisions(survey: Survey, family: str, status: str) -> list[str]:
    """ARNs, the newest first. `familyPrefix` is a family's whole name here."""
    return survey.cloud.pages(
        "ecs",
        "list_task_definitions",
        "taskDefinitionArns",
        familyPrefix=family,
        status=status,
        sort="DESC",
    )


def _spare(
    survey: Survey,
    arns: Iterable[str],
    owner: Mapping[str, str],
    used: Collection[str],
    releases: Collection[str],
) -> list[tuple[str, dict[str, str]]]:
    """Those that are ours and that nothing needs, with their tags."""
    unused = [arn for arn in arns if names.last_part(arn) not in used]
    described = at_once(survey.definition, unused)
    return [
        (arn, tags)
        for arn, (_, tags) in zip(unused, described, strict=True)
        if owner.items() <= tags.items() and tags.get(names.RELEASE) not in releases
    ]


def _leftover(arn: str, tags: Mapping[str, str], more: str = "") -> Leftover:
    token = tags.get(names.DEPLOYMENT)
    by = f", deployment {token}" if token else ""
    why = f"of release {tags.get(names.RELEASE) or 'unknown'}{by}{more}"
    return Leftover(arn, names.last_part(arn), why)


def remove(cloud: Cloud, found: Iterable[Leftover]) -> Iterator[str]:
    """Their names, as they go. ECS deletes what was deregistered once nothing refers to it."""
    for part in _parts(list(found), _DELETED):
        at_once(partial(_deregister, cloud), [one.id for one in part])
        _delete(cloud, [one.id for one in part])
        yield from (one.name for one in part)


def _deregister(cloud: Cloud, arn: str) -> None:
    """Deregistered already is as good: somebody was killed before the second request. What is not
    is told by the deletion."""
    try:
        cloud.call("ecs", "deregister_task_definition", taskDefinition=arn)
    except RemoteError as error:
        if code_of(error) not in ("ClientException", "InvalidParameterException"):
            raise


def _delete(cloud: Cloud, arns: list[str]) -> None:
    answer = cloud.call("ecs", "delete_task_definitions", taskDefinitions=arns)
    failures = answer.get("failures") or ()
    if failures:
        said = "; ".join(f"{names.last_part(f.get('arn'))}: {f.get('reason')}" for f in failures)
        raise RemoteError(
            f"ECS does not delete {len(failures)} of {len(arns)} revisions",
            said,
            "what is deregistered starts nothing new; run `shipit gc` again for the rest",
        )


def _used(cloud: Cloud) -> Iterator[str]:
    """`family:revision` of all that services, tasks, schedules and rules have, in every cluster of
    the region: a family's name does not say which clusters have it."""
    clusters = [str(arn) for arn in cloud.pages("ecs", "list_clusters", "clusterArns")]
    for cluster in clusters:
        services = cloud.pages("ecs", "list_services", "serviceArns", cluster=cluster)
        for part in _parts(services, _DESCRIBED):
            answer = cloud.call("ecs", "describe_services", cluster=cluster, services=part)
            for service in answer.get("services") or ():
                yield from _of_service(service)
        yield from _of_tasks(cloud, cluster)
    yield from _of_rules(cloud, clusters)
    yield from _of_schedules(cloud)


def _of_service(service: Json) -> Iterator[str]:
    yield names.last_part(service.get("taskDefinition"))
    for several in ("deployments", "taskSets"):
        for one in service.get(several) or ():
            yield names.last_part(one.get("taskDefinition"))


def _of_tasks(cloud: Cloud, cluster: str) -> Iterator[str]:
    tasks = cloud.pages("ecs", "list_tasks", "taskArns", cluster=cluster)
    for part in _parts(tasks, _TASKS):
        answer = cloud.call("ecs", "describe_tasks", cluster=cluster, tasks=part)
        yield from (
            names.last_part(task["taskDefinitionArn"]) for task in answer.get("tasks") or ()
        )


def _of_rules(cloud: Cloud, clusters: Iterable[str]) -> Iterator[str]:
    """EventBridge's older way of scheduling, which other tools still use."""
    for bus in _pages(cloud, "events", "list_event_buses", "EventBuses"):
        for cluster in clusters:
            on: Json = {"EventBusName": bus["Name"]}
            rules = _pages(
                cloud, "events", "list_rule_names_by_target", "RuleNames", **on, TargetArn=cluster
            )
            for rule in rules:
                for target in _pages(
                    cloud, "events", "list_targets_by_rule", "Targets", **on, Rule=rule
                ):
                    yield from _named(target)


def _of_schedules(cloud: Cloud) -> Iterator[str]:
    """Of every group: one that somebody made by hand counts too."""
    for one in _pages(cloud, "scheduler", "list_schedules", "Schedules"):
        if ":ecs:" in str((one.get("Target") or {}).get("Arn")):
            found = cloud.call(
                "scheduler", "get_schedule", Name=one["Name"], GroupName=one["GroupName"]
            )
            yield from _named(found.get("Target") or {})


def _named(target: Json) -> Iterator[str]:
    """Every revision that a target speaks of: in ECS's own parameters, or in the text that goes to
    RunTask, where it may be short (`web:3`)."""
    for found in _REVISION.finditer(json.dumps(target, default=str)):
        yield found[1] or found[2]


def _pages(cloud: Cloud, api: str, operation: str, key: str, **asked: Any) -> Iterator[Any]:
    """EventBridge's token has another name than ECS's."""
    more: Json = {}
    while True:
        answer = cloud.call(api, operation, **asked, **more)
        yield from answer.get(key) or ()
        if not answer.get("NextToken"):
            return
        more = {"NextToken": answer["NextToken"]}


def _parts(several: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(several), size):
        yield several[start : start + size]
