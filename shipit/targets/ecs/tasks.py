"""One-off tasks: run_task with a name of the run's own, so that no run happens twice.

ECS keeps a stopped task for an hour: a shipit that was killed finds it, and its exit code, by
`startedBy`. Until then the client token makes a second request give the first one's task.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.duration import format_duration
from shipit.model.progress import Failed, Mark, Outcome, Progress, Reason, Stage, Succeeded
from shipit.targets.ecs import apply, names, readable, render, troubles
from shipit.targets.ecs.cloud import code_of
from shipit.targets.ecs.log_reader import Reader, sources
from shipit.targets.ecs.render import Rendered, Setting
from shipit.targets.ecs.survey import Survey

Json = dict[str, Any]
_POLL = 2.0  # seconds
_VISIBLE = 60.0  # seconds within which a task that was started is seen
_GRACE = 60.0  # seconds for a task that is stopped to be gone


class Place(msgspec.Struct, frozen=True):
    """Where a run goes, and whose clock counts."""

    survey: Survey
    setting: Setting
    clock: Callable[[], float]
    pause: Callable[[float], None]


class Run:
    """One run of a service alone. `command` instead of its own."""

    def __init__(
        self, place: Place, desired: Desired, service: str, key: str, command: Sequence[str] = ()
    ) -> None:
        self._place, self._survey, self._cloud = place, place.survey, place.survey.cloud
        self._desired, self._service, self._command = desired, service, list(command)
        self._want: Rendered = render.task(desired, service, place.setting)
        word = f"{place.setting.prefix} {service} {key}"
        self._name = f"shipit-{hashlib.sha256(word.encode()).hexdigest()[:24]}"
        self._limit = place.clock() + desired.deadline
        self.exit_code = 1

    def run(self) -> Iterator[Progress | Outcome]:
        """Progress with what it writes, then how it ended.

        Raises PreconditionError when it cannot be started: ECS does not take it, or a run with
        another key is still at work.
        """
        task = self._found()
        if task:
            yield self._say(f"an earlier run is there: {_id(task)} is {task.get('lastStatus')}")
        else:
            self._refuse_another()
            apply.make_log_group(self._cloud, self._place.setting.log_group)
            task, refusal = self._start()
            if refusal or not task:
                yield Failed((Reason(self._service, refusal or "ECS started no task"),))
                return
            yield self._say(f"task {_id(task)}")
        yield from self._attend(task)

    def _attend(self, task: Json) -> Iterator[Progress | Outcome]:
        readers = [
            Reader(self._cloud, source) for source in sources(task, self._want.task_definition)
        ]
        late = False
        while task.get("lastStatus") != "STOPPED":
            if self._place.clock() > self._limit and not late:
                late = True
                self._stop(task)
            if self._place.clock() > self._limit + _GRACE:
                break
            self._place.pause(_POLL * random.uniform(0.9, 1.1))  # noqa: S311 - jitter
            yield from self._written(readers)
            task = self._again(task)
        yield from self._written(readers)
        yield self._outcome(task, late=late)

    def _written(self, readers: Sequence[Reader]) -> Iterator[Progress]:
        for reader in readers:
            try:
                lines = reader.read()
            except RemoteError:
                continue  # its end counts, and not who may read about it
            for line in lines:
                yield self._say(logs=(line,))

    def _outcome(self, task: Json, *, late: bool) -> Outcome:
        image = self._desired.images[self._service]
        own: Json = next(
            (c for c in task.get("containers") or () if c["name"] == self._service), {}
        )
        # Where ECS does not say what it resolved, what it was given is by digest too.
        code, given = own.get("exitCode"), str(own.get("image") or "").partition("@")[2]
        said = str(own.get("imageDigest") or given)
        self.exit_code = 1 if code is None or late else int(code)
        if late:
            within = format_duration(timedelta(seconds=self._desired.deadline))
            why = f"did not end within {within}"
        elif code == 0 and said and Digest(said) in image.identities():
            return Succeeded({self._service: image.digest})
        elif code == 0:
            runs = Digest(said).short if said else "an image that ECS does not name"
            why = f"ran {runs}, not {image.digest.short}"
        elif code is None or own.get("reason"):
            why = troubles.in_words(task)
        else:
            why = f"ended with exit code {code}"
        lines = troubles.last_lines(self._cloud, self._want.task_definition, task)
        return Failed((Reason(self._service, why, lines),))

    def _start(self) -> tuple[Json | None, str]:
        """The task, or why there is none."""
        asked: Json = {
            "cluster": self._survey.cluster,
            "taskDefinition": self._revision(),
            "startedBy": self._name,
            "clientToken": self._name,
            "count": 1,
            "propagateTags": "TASK_DEFINITION",
            **_where(self._want),
        }
        if self._command:
            override = {"name": self._service, "command": self._command}
            asked["overrides"] = {"containerOverrides": [override]}
        try:
            answer = self._cloud.call("ecs", "run_task", **asked)
        except RemoteError as error:
            if code_of(error) == "ConflictException":
                return self._wait_for(), ""  # a run of this name was started in another form
            if error.temporary:
                raise
            return None, f"{error.what}: {error.why}"
        started = answer.get("tasks") or ()
        failures = "; ".join(str(f.get("reason")) for f in answer.get("failures") or ())
        if started:
            return started[0], ""
        capacity = "RESOURCE" in failures or "apacity" in failures
        return None, f"no capacity: {failures}" if capacity else failures

    def _revision(self) -> str:
        """The family's newest one where it is the same already: asking again makes no orphans."""
        family = self._want.task_definition["family"]
        try:
            body, tags = self._survey.definition(family)
        except RemoteError as error:
            if error.temporary:
                raise
            body, tags = {}, {}
        wanted = readable.task_definition(self._want.task_definition)
        same = body and readable.task_definition(body) == wanted
        if same and tags.get(names.RELEASE) == self._desired.release_id:
            return str(body["taskDefinitionArn"])
        definition = self._want.task_definition
        return apply.register(self._cloud, self._desired, definition, self._service)

    def _found(self) -> Json | None:
        """The run of this name, at work or ended."""
        for status in ("RUNNING", "STOPPED"):
            arns = self._cloud.pages(
                "ecs",
                "list_tasks",
                "taskArns",
                cluster=self._survey.cluster,
                startedBy=self._name,
                desiredStatus=status,
            )
            found = self._survey.task_details(arns)
            if found:
                return found[0]
        return None

    def _wait_for(self) -> Json | None:
        until = self._place.clock() + _VISIBLE
        while self._place.clock() < until:
            found = self._found()
            if found:
                return found
            self._place.pause(_POLL)
        return None

    def _again(self, task: Json) -> Json:
        """The same task, as it is now; as it was where ECS does not show it (yet)."""
        try:
            found = self._survey.task_details([str(task["taskArn"])])
        except RemoteError as error:
            if not error.temporary:
                raise
            return task
        return found[0] if found else task

    def _refuse_another(self) -> None:
        """Tasks of the family that belong to no service: another run's."""
        arns = self._cloud.pages(
            "ecs",
            "list_tasks",
            "taskArns",
            cluster=self._survey.cluster,
            family=self._want.task_definition["family"],
        )
        if self._command:
            return
        for task in self._survey.task_details(arns):
            if str(task.get("startedBy") or "").startswith("shipit-"):
                raise PreconditionError(
                    f"an earlier run of {self._service} is still at work",
                    f"its task is {_id(task)}",
                    f"wait for its end, or `aws ecs stop-task --cluster {self._survey.cluster}"
                    f" --task {_id(task)}`",
                )

    def _stop(self, task: Json) -> None:
        self._cloud.call(
            "ecs",
            "stop_task",
            cluster=self._survey.cluster,
            task=str(task["taskArn"]),
            reason="shipit: it did not end within its deadline",
        )

    def _say(self, message: str = "", logs: tuple[str, ...] = ()) -> Progress:
        stage = Stage.AFTER if self._service in self._desired.after else Stage.BEFORE
        environment = self._desired.environment
        return Progress(stage, Mark.RUNNING, self._service, message, environment, logs=logs)


def _where(want: Rendered) -> Mapping[str, Any]:
    keys = ("launchType", "capacityProviderStrategy", "networkConfiguration", "platformVersion")
    return {key: want.service[key] for key in keys if key in want.service}


def _id(task: Json) -> str:
    return names.last_part(task["taskArn"])
