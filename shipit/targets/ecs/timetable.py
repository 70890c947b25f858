"""The schedules of one environment in EventBridge Scheduler: read, written, switched, removed.

They are in a schedule group of the environment's own, which carries its tags: schedules cannot.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.model.digest import Digest
from shipit.targets.ecs import names, readable, schedules
from shipit.targets.ecs.cloud import code_of
from shipit.targets.ecs.survey import Live, Survey, at_once

Json = dict[str, Any]
# What UpdateSchedule takes of what GetSchedule gives.
_KEPT = (
    *("ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "Description"),
    *("KmsKeyArn", "Target", "FlexibleTimeWindow", "State", "ActionAfterCompletion"),
)
_ABSENT, _THERE = "ResourceNotFoundException", "ConflictException"


class Entry(msgspec.Struct, frozen=True):
    """A schedule that is there, with the revision that it runs: empty where that is gone."""

    service: str
    name: str
    body: Json
    definition: Json = {}

    @property
    def enabled(self) -> bool:
        return self.body.get("State") == "ENABLED"

    @property
    def revision(self) -> str:
        """The ARN, or a family's name where no revision is pinned."""
        parameters = (self.body.get("Target") or {}).get("EcsParameters") or {}
        return str(parameters.get("TaskDefinitionArn", ""))

    @property
    def digests(self) -> tuple[Digest, ...]:
        """Of the image that its container is pinned to."""
        pinned = self.image.partition("@")[2]
        return (Digest(pinned),) if pinned else ()

    @property
    def image(self) -> str:
        containers = self.definition.get("containerDefinitions") or ()
        return next((str(c["image"]) for c in containers if c["name"] == self.service), "")

    @property
    def times(self) -> str:
        zone = self.body.get("ScheduleExpressionTimezone") or "UTC"
        return f"{self.body.get('ScheduleExpression')} {zone}"


class Timetable:
    """`owner` are the tags of what is ours."""

    def __init__(self, survey: Survey, owner: Mapping[str, str]) -> None:
        self.survey, self._cloud, self._owner = survey, survey.cloud, owner
        self.group = schedules.group_name(survey.prefix)

    def read(self) -> dict[str, Entry]:
        """By service. Nothing, where the group is not there or is not ours."""
        listed = self._names()
        if not listed or not self._is_ours():
            return {}
        found = [entry for entry in at_once(self.entry, listed) if entry]
        return {entry.service: entry for entry in found}

    def entry(self, name: str) -> Entry | None:
        """None for what is not there (any more)."""
        try:
            body = self._cloud.call("scheduler", "get_schedule", GroupName=self.group, Name=name)
        except RemoteError as error:
            if code_of(error) == _ABSENT:
                return None
            raise
        service = name.removeprefix(f"{self.survey.prefix}-")
        entry = Entry(service, name, {k: body[k] for k in _KEPT if body.get(k) is not None})
        definition, tags = self._definition(entry.revision)
        return msgspec.structs.replace(
            entry, service=tags.get(names.SERVICE, service), definition=definition
        )

    def runs(self, entry: Entry, *statuses: str) -> Live:
        """Its tasks, as those of a service are shown: RUNNING, or STOPPED within the last hour."""
        family = names.last_part(entry.revision).partition(":")[0]
        arns = [
            arn
            for status in statuses
            for arn in self._cloud.pages(
                "ecs",
                "list_tasks",
                "taskArns",
                cluster=self.survey.cluster,
                family=family,
                desiredStatus=status,
            )
        ]
        tasks = tuple(self.survey.task_details(arns))
        return Live(entry.name, entry.service, {}, {}, True, entry.definition, tasks=tasks)

    def prepare(self) -> None:
        """The group, before anything else changes. Raises PreconditionError where one of its name
        is somebody else's, or is still on its way out."""
        tags = [{"Key": key, "Value": value} for key, value in self._owner.items()]
        try:
            self._cloud.call("scheduler", "create_schedule_group", Name=self.group, Tags=tags)
        except RemoteError as error:
            if code_of(error) != _THERE:
                raise
            if self._state() == "DELETING":
                raise PreconditionError(
                    f"the schedule group {self.group} is still being deleted",
                    next_step="wait a minute and run this again",
                ) from error
            if not self._is_ours():
                raise PreconditionError(
                    f"there is a schedule group {self.group}, and it is not this environment's",
                    f"it has no tags {names.APP} and {names.ENVIRONMENT} of ours",
                    "give this target another prefix, or remove the group",
                ) from error

    def create(self, name: str, body: Json) -> None:
        """There already, since the answer to the first request was lost, is as good."""
        token = secrets.token_hex(16)
        try:
            self._cloud.call(
                "scheduler",
                "create_schedule",
                GroupName=self.group,
                Name=name,
                ClientToken=token,
                **body,
            )
        except RemoteError as error:
            if code_of(error) != _THERE:
                raise
            self._put(name, body)

    def update(self, was: Entry, body: Json) -> None:
        """What somebody added by hand, and shipit has no words for, stays: a dead-letter queue, a
        retry policy, an end."""
        there, target = was.body["Target"], body["Target"]
        parameters = {
            k: v for k, v in (there.get("EcsParameters") or {}).items() if k not in schedules.OWN
        }
        target = {**there, **target, "EcsParameters": {**parameters, **target["EcsParameters"]}}
        self._put(was.name, {**was.body, **body, "Target": target})

    def switch(self, was: Entry, *, enabled: bool) -> None:
        self._put(was.name, {**was.body, "State": "ENABLED" if enabled else "DISABLED"})

    def delete(self, name: str) -> None:
        """Gone already is as good."""
        self._gone("scheduler", "delete_schedule", GroupName=self.group, Name=name)

    def remove(self) -> list[str]:
        """All of them and the group; their names. Only where it is ours."""
        listed = self._names()
        if not self._is_ours():
            return []
        at_once(self.delete, listed)
        self._gone("scheduler", "delete_schedule_group", Name=self.group)
        return [f"{self.group}/{name}" for name in listed]

    def _put(self, name: str, body: Json) -> None:
        token = secrets.token_hex(16)
        self._cloud.call(
            "scheduler",
            "update_schedule",
            GroupName=self.group,
            Name=name,
            ClientToken=token,
            **body,
        )

    def _gone(self, api: str, operation: str, **what: str) -> None:
        try:
            self._cloud.call(api, operation, **what)
        except RemoteError as error:
            if code_of(error) != _ABSENT:
                raise

    def _names(self) -> list[str]:
        found: list[str] = []
        more: Json = {}
        while True:
            try:
                answer = self._cloud.call(
                    "scheduler", "list_schedules", GroupName=self.group, **more
                )
            except RemoteError as error:
                if code_of(error) == _ABSENT:
                    return found
                raise
            found += [str(one["Name"]) for one in answer.get("Schedules") or ()]
            if not answer.get("NextToken"):
                return found
            more = {"NextToken": answer["NextToken"]}

    def _state(self) -> str:
        group = self._cloud.call("scheduler", "get_schedule_group", Name=self.group)
        return str(group.get("State"))

    def _is_ours(self) -> bool:
        try:
            group = self._cloud.call("scheduler", "get_schedule_group", Name=self.group)
            answer = self._cloud.call(
                "scheduler", "list_tags_for_resource", ResourceArn=str(group["Arn"])
            )
        except RemoteError as error:
            if code_of(error) == _ABSENT:
                return False
            raise
        tags = {tag["Key"]: tag["Value"] for tag in answer.get("Tags") or ()}
        return self._owner.items() <= tags.items()

    def _definition(self, revision: str) -> tuple[Json, dict[str, str]]:
        """Nothing for one that is deregistered or deleted: a schedule on it fails silently."""
        try:
            body, tags = self.survey.definition(revision)
        except RemoteError as error:
            if error.temporary:
                raise
            return {}, {}
        return (body, tags) if body.get("status", "ACTIVE") == "ACTIVE" else ({}, tags)


def definitions(entries: Iterable[Entry]) -> Json:
    """What `schedules.decide` needs to know, in plain values."""
    return {
        entry.service: {
            "name": entry.name,
            "schedule": schedules.flat(entry.body),
            "task_definition": readable.task_definition(entry.definition)
            if entry.definition
            else {},
            "revision": entry.revision,
            "enabled": entry.enabled,
        }
        for entry in entries
    }


def rows(entries: Sequence[Entry]) -> list[dict[str, str]]:
    """A line of `shipit ps` each: the times stand for its state."""
    return [
        {
            "name": entry.name,
            "service": entry.service,
            "image": entry.image.partition("@")[0],
            "digest": str(entry.digests[0]) if entry.digests else "",
            "state": entry.times if entry.enabled else f"stopped ({entry.times})",
            "health": "",
            "ports": "",
            "since": "",
        }
        for entry in entries
    ]
