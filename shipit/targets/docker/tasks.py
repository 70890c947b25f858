"""One-off tasks: a container of their own each, named after the run, so that no run happens twice.

The container stays after its end, as the record of its result: a shipit that was killed before it
could write the result down finds it under the same key. The next run takes it away.
"""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

from shipit.errors import PreconditionError, RemoteError
from shipit.model.deployment import Desired
from shipit.model.duration import format_duration
from shipit.model.progress import Failed, Mark, Outcome, Progress, Reason, Stage, Succeeded
from shipit.targets.docker.apply import pull, remove
from shipit.targets.docker.compose import Compose, spoken
from shipit.targets.docker.containers import Container, Survey
from shipit.targets.docker.files import Files
from shipit.targets.docker.logs import last_lines, lines
from shipit.targets.docker.project import TASK, project_name, task_document
from shipit.targets.engine.client import Engine

_STOPPING = 15.0  # seconds for the engine to end a task whose time is over


class Task:
    """One run of a one-off service."""

    def __init__(
        self, engine: Engine, survey: Survey, desired: Desired, service: str, key: str
    ) -> None:
        self._engine, self._survey = engine, survey
        self._desired, self._service, self._key = desired, service, key
        self._project = project_name(desired.app, desired.environment)
        self.name = f"{self._project}-{service}-{_word(key)}"
        self._limit = time.monotonic() + desired.deadline

    def run(self, compose: Compose, files: Files) -> Iterator[Progress | Outcome]:
        """Progress with what it writes, then how it ended.

        Raises PreconditionError when it cannot be started: its image cannot be had, or a run with
        another key is still at work.
        """
        found = self._find()
        if found:
            yield self._progress(f"an earlier run is there: {found.name} is {found.state}")
            refusal = self._start(found) if found.state == "created" else ""
        else:
            self._clear()
            refusal = self._create(compose, files)
            found = self._find()
        if refusal or not found:
            yield Failed((Reason(self._service, refusal or "its container is gone"),))
        else:
            yield from self._attend(found)

    def _attend(self, container: Container) -> Iterator[Progress | Outcome]:
        left = max(self._limit - time.monotonic(), 0.0)
        late = threading.Timer(left, _stop, (self._engine, container.id))
        late.daemon = True
        late.start()
        try:
            # A task may be silent to its end, and an engine that is out of reach for ever.
            for line in lines(self._engine, container, follow=True, silence=left + _STOPPING):
                yield self._progress(logs=(line,))
            ended = self._end()
        finally:
            late.cancel()
        yield self._outcome(ended, late=time.monotonic() > self._limit)

    def _outcome(self, ended: Container | None, *, late: bool) -> Outcome:
        if ended is None:
            return Failed((Reason(self._service, "its container was removed while it ran"),))
        digest = self._desired.images[self._service].digest
        if late:
            within = format_duration(timedelta(seconds=self._desired.deadline))
            why = f"did not end within {within}"
        elif ended.out_of_memory:
            why = "was killed: out of memory"
        elif ended.exit_code:
            why = f"ended with exit code {ended.exit_code}" + (
                f": {ended.error}" if ended.error else ""
            )
        elif not self._desired.images[self._service].identities() & set(ended.images):
            why = f"ran another image than {digest.short}"
        else:
            return Succeeded({self._service: digest})
        return Failed((Reason(self._service, why, last_lines(self._engine, ended)),))

    def _create(self, compose: Compose, files: Files) -> str:
        """Why it could not be started; empty when it was."""
        file = files.write_task(
            task_document(self._desired, self._project, self._service), self._service
        )
        pull(self._engine, compose, self._desired, file, (self._service,))
        done = compose.run(
            file,
            *("run", "--detach", "--no-deps", "--no-TTY", "--name", self.name),
            *("--label", f"{TASK}={self._key}", self._service),
            deadline=self._desired.deadline,
        )
        return spoken(done) if done.code else ""

    def _start(self, container: Container) -> str:
        """As `_create`, for a run that was killed between the two."""
        try:
            self._engine.post(f"/containers/{container.id}/start")
        except RemoteError as error:
            return error.what
        return ""

    def _clear(self) -> None:
        """Take the containers of earlier runs away."""
        for container in self._survey.containers():
            if not container.labels.get(TASK) or container.service != self._service:
                continue
            if container.up:
                raise PreconditionError(
                    f"an earlier run of {self._service} is still at work",
                    f"its container is {container.name}",
                    f"wait for its end, or `docker stop {container.name}`",
                )
            remove(self._engine, container)

    def _find(self) -> Container | None:
        return next((c for c in self._survey.containers() if c.name == self.name), None)

    def _end(self) -> Container | None:
        """The log has ended; the engine takes a moment to write the exit code down."""
        found = self._find()
        while found and found.up and time.monotonic() < self._limit + _STOPPING:
            time.sleep(0.05)
            found = self._find()
        return found

    def _progress(self, message: str = "", logs: tuple[str, ...] = ()) -> Progress:
        after = self._service in self._desired.after
        return Progress(
            Stage.AFTER if after else Stage.BEFORE,
            Mark.RUNNING,
            self._service,
            message,
            self._desired.environment,
            logs=logs,
        )


def _stop(engine: Engine, identity: str) -> None:
    own = Engine(engine.address)  # a connection is one thread's
    try:
        own.post(f"/containers/{identity}/stop", t=5)
    except (RemoteError, PreconditionError):
        return  # gone by itself, or out of reach: the run's own reading tells
    finally:
        own.close()


def _word(key: str) -> str:
    """The key as a part of a container's name."""
    word = re.sub(r"[^a-zA-Z0-9_.-]", "-", key)
    return word if word == key else f"{word}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
