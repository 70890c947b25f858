"""Revisions of task definitions that nothing needs any more. Never in the deploy path.

A revision is kept while a service of any cluster has it (in any of its deployments and task sets),
a task runs it, a schedule or a rule starts it, or a release that runs or ran before registered it.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from shipit.errors import RemoteError
from shipit.model.deployment import Leftover
from shipit.targets.ecs import names
from shipit.targets.ecs.cloud import Cloud
from shipit.targets.ecs.survey import Survey, at_once

Json = dict[str, Any]
_DELETED = 10  # the most that one DeleteTaskDefinitions may name
_DESCRIBED, _TASKS = 10, 100


def find(
    survey: Survey, owner: dict[str, str], releases: Collection[str], keep: int
) -> list[Leftover]:
    """Of each family of this environment: all that nothing needs but the newest `keep` of them.

    `owner` are the tags that make a revision ours; `releases` the ids whose revisions stay.
    """
    found: list[Leftover] = []
    families = survey.cloud.pages(
        "ecs",
        "list_task_definition_families",
        "families",
        familyPrefix=f"{survey.prefix}-",
        status="ACTIVE",
    )
    used = set(_used(survey.cloud)) if families else set[str]()
    for family in families:
        found += _of_family(survey, family, owner, used, releases, keep)
    return found


def _of_family(
    survey: Survey,
    family: str,
    owner: dict[str, str],
    used: set[str],
    releases: Collection[str],
    keep: int,
) -> list[Leftover]:
    revisions = [
        str(arn)
        for arn in survey.cloud.pages(
            "ecs",
            "list_task_definitions",
            "taskDefinitionArns",
            familyPrefix=family,
            status="ACTIVE",
            sort="DESC",
        )
    ]
    # The newest is what the family's bare name means: it stays whatever it is.
    spare = [arn for arn in revisions[1:] if arn not in used]
    described = at_once(survey.definition, spare)
    ours = [
        (arn, tags)
        for arn, (_, tags) in zip(spare, described, strict=True)
        if owner.items() <= tags.items() and tags.get(names.RELEASE) not in releases
    ]
    return [
        Leftover(arn, names.last_part(arn), f"of release {tags.get(names.RELEASE) or 'unknown'}")
        for arn, tags in ours[keep:]
    ]


def remove(cloud: Cloud, found: Iterable[Leftover]) -> Iterator[str]:
    """Their names, as they go. ECS deletes what was deregistered once nothing refers to it."""
    gone: list[str] = []
    for one in found:
        cloud.call("ecs", "deregister_task_definition", taskDefinition=one.id)
        gone.append(one.id)
        yield one.name
        if len(gone) == _DELETED:
            _delete(cloud, gone)
            gone = []
    if gone:
        _delete(cloud, gone)


def _delete(cloud: Cloud, arns: list[str]) -> None:
    answer = cloud.call("ecs", "delete_task_definitions", taskDefinitions=arns)
    for failure in answer.get("failures") or ():
        raise RemoteError(
            f"ECS does not delete {names.last_part(failure.get('arn'))}",
            str(failure.get("reason")),
            "it is deregistered: nothing new can start it",
        )


def _used(cloud: Cloud) -> Iterator[str]:
    """By services, tasks, schedules and rules, in every cluster of the region: a family's name does
    not say which clusters have it."""
    for cluster in cloud.pages("ecs", "list_clusters", "clusterArns"):
        services = cloud.pages("ecs", "list_services", "serviceArns", cluster=cluster)
        for part in _parts(services, _DESCRIBED):
            answer = cloud.call("ecs", "describe_services", cluster=cluster, services=part)
            for service in answer.get("services") or ():
                yield from _of_service(service)
        yield from _of_tasks(cloud, cluster)
        yield from _of_rules(cloud, cluster)
    yield from _of_schedules(cloud)


def _of_service(service: Json) -> Iterator[str]:
    yield str(service.get("taskDefinition"))
    for several in ("deployments", "taskSets"):
        for one in service.get(several) or ():
            yield str(one.get("taskDefinition"))


def _of_tasks(cloud: Cloud, cluster: str) -> Iterator[str]:
    tasks = cloud.pages("ecs", "list_tasks", "taskArns", cluster=cluster)
    for part in _parts(tasks, _TASKS):
        answer = cloud.call("ecs", "describe_tasks", cluster=cluster, tasks=part)
        yield from (str(task["taskDefinitionArn"]) for task in answer.get("tasks") or ())


def _of_rules(cloud: Cloud, cluster: str) -> Iterator[str]:
    """EventBridge's older way of scheduling, which other tools still use."""
    answer = cloud.call("events", "list_rule_names_by_target", TargetArn=cluster)
    for rule in answer.get("RuleNames") or ():
        targets = cloud.call("events", "list_targets_by_rule", Rule=rule)
        for target in targets.get("Targets") or ():
            yield str((target.get("EcsParameters") or {}).get("TaskDefinitionArn"))


def _of_schedules(cloud: Cloud) -> Iterator[str]:
    more: Json = {}
    while True:
        answer = cloud.call("scheduler", "list_schedules", **more)
        for one in answer.get("Schedules") or ():
            if ":ecs:" not in str((one.get("Target") or {}).get("Arn")):
                continue
            found = cloud.call(
                "scheduler", "get_schedule", Name=one["Name"], GroupName=one["GroupName"]
            )
            parameters = (found.get("Target") or {}).get("EcsParameters") or {}
            yield str(parameters.get("TaskDefinitionArn"))
        if not answer.get("NextToken"):
            return
        more = {"NextToken": answer["NextToken"]}


def _parts(several: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(several), size):
        yield several[start : start + size]
