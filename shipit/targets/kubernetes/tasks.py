"""One-off tasks: a Job each, named after the run, so that no run happens twice.

The Job stays after its end, as the record of its result: a shipit that was killed finds it under
the same name, and waits for it or reports it. The service's next run takes it away.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from shipit.errors import PreconditionError, RemoteError, ShipitError
from shipit.model.deployment import Desired
from shipit.model.duration import format_duration
from shipit.model.progress import Failed, Mark, Outcome, Progress, Reason, Stage, Succeeded
from shipit.targets.kubernetes import apply as applying
from shipit.targets.kubernetes import applyset, names, resources, troubles
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.logs import Following, Wanted
from shipit.targets.kubernetes.pods import OF_JOB, ContainerStatus, Ended, Pod, digest_of
from shipit.targets.kubernetes.survey import WORKLOADS, Survey

Json = dict[str, Any]
JOB = ("batch/v1", "Job")
_LOOK = 0.1  # seconds between two looks at what the watches have brought
_STOPPING = 60.0  # seconds for a Job whose time is over to end
_LAST_LINES = 10.0  # seconds for the end of a log to arrive after its container's
_LAST = 20  # lines that are kept with a failure
_LONGEST = 1000  # characters of one: the ledger keeps it for ever
_EARLY = datetime.min.replace(tzinfo=UTC)


class JobWatch:
    """How a Job stands: `verdict` is empty while it is at work, then "Complete" or the reason and
    message with which it failed."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.verdict = ""
        self._watch = cluster.watcher(*JOB, dict, fields=f"metadata.name={name}")
        threading.Thread(target=self._see_all, daemon=True).start()

    def close(self) -> None:
        self._watch.close()

    def _see_all(self) -> None:
        try:
            there = False
            for change in self._watch.changes():
                there = there or change.object is not None
                if change.type == "DELETED" or (change.type == "SYNCED" and not there):
                    self.verdict = "it was deleted while it ran"
                elif change.object is not None:
                    self.verdict = verdict(change.object)
        except ShipitError as error:
            self.verdict = f"it cannot be watched: {error.what}"


def verdict(job: Json) -> str:
    """Of its conditions (batch/v1, JobCondition)."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            if condition["type"] == "Complete":
                return "Complete"
            return str(condition.get("message") or condition.get("reason") or "it failed")
    return ""


class Run:
    """One run of a service alone, in `job` as render makes it. Whether it `clears` the service's
    earlier runs away: a task does, a person's command does not."""

    def __init__(
        self,
        cluster: Cluster,
        desired: Desired,
        service: str,
        job: Json,
        *,
        clears: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster, self._clears, self._clock = cluster, clears, clock
        self._desired, self._service = desired, service
        self._job = _ending(job, desired.deadline)
        self.name = str(job["metadata"]["name"])
        self._container = str(job["spec"]["template"]["spec"]["containers"][0]["name"])
        self._limit = clock() + desired.deadline
        self._last: list[str] = []
        self._is_late = False
        self.exit_code = 1

    def run(self) -> Iterator[Progress | Outcome]:
        """Progress with what it writes, then how it ended.

        Raises PreconditionError when it cannot be started: the API server does not take it, or a
        run with another key is still at work.
        """
        if self._cluster.get(*JOB, self.name):
            yield self._say(f"an earlier run is there: the Job {self.name}")
        else:
            if self._clears:
                clear(self._cluster, self._job)
            create(self._cluster, self._service, self._job)
            yield self._say(f"the Job {self.name}")
        pods = Following(self._cluster, f"{OF_JOB}={self.name}", Wanted())
        watch = JobWatch(self._cluster, self.name)
        try:
            yield from self._attend(pods, watch)
            yield from self._rest(pods)
            yield self._outcome(newest(pods.pods.values()), watch.verdict)
        finally:
            pods.close()
            watch.close()

    def _attend(self, pods: Following, watch: JobWatch) -> Iterator[Progress]:
        """Until its container or the Job has ended, or cannot."""
        told, has_looked = "", False
        while True:
            yield from self._written(pods.next(_LOOK))
            if watch.verdict and not has_looked:
                has_looked = True
                pods.look()
            pod = newest(pods.pods.values())
            if self._ended(pod) or (has_looked and not self._is_up(pod)):
                return
            trouble = troubles.of_pod(pod) if pod else None
            if pod and trouble and trouble.words != told:
                told = trouble.words
                yield self._say(told)
            if trouble and trouble.final:
                stop(self._cluster, self.name)
                return
            now = self._clock()
            if now > self._limit and not self._is_late:
                self._is_late = True
                stop(self._cluster, self.name)
            if now > self._limit + _STOPPING:
                return

    def _rest(self, pods: Following) -> Iterator[Progress]:
        """The end of its log, which may arrive after its container's end is known."""
        until = time.monotonic() + _LAST_LINES
        while not pods.drained and time.monotonic() < until:
            yield from self._written(pods.next(_LOOK))

    def _written(self, item: tuple[str, str] | None) -> Iterator[Progress]:
        if item:
            line = item[1] if len(item[1]) <= _LONGEST else f"{item[1][: _LONGEST - 1]}…"
            self._last = [*self._last[-(_LAST - 1) :], line]
            yield self._say(logs=(item[1],))

    def _status(self, pod: Pod | None) -> ContainerStatus | None:
        return pod.status_of(self._container) if pod else None

    def _ended(self, pod: Pod | None) -> Ended | None:
        status = self._status(pod)
        return status.state.terminated if status else None

    def _is_up(self, pod: Pod | None) -> bool:
        status = self._status(pod)
        return bool(status and status.state.running)

    def _outcome(self, pod: Pod | None, job: str) -> Outcome:
        image = self._desired.images[self._service]
        ended, found = self._ended(pod), digest_of(self._status(pod))
        if ended and not self._is_late:
            self.exit_code = ended.exit_code
        proven = found in image.identities() if pod else job == "Complete" and self._is_pinned()
        if not self._is_late and (ended.exit_code == 0 if ended else job == "Complete") and proven:
            self.exit_code = 0
            return Succeeded({self._service: image.digest})
        why = self._why(pod, job)
        logs = tuple(self._last)
        if pod and not logs:
            logs = troubles.tail(self._cluster, pod, troubles.Trouble("", self._container))
        return Failed((Reason(self._service, why, logs),))

    def _is_pinned(self) -> bool:
        """A Job whose pod was cleaned away: what it was made with is by digest, too."""
        container = self._job["spec"]["template"]["spec"]["containers"][0]
        return str(container["image"]) == self._desired.images[self._service].reference

    def _why(self, pod: Pod | None, job: str) -> str:
        ended = self._ended(pod)
        trouble = troubles.of_pod(pod) if pod else None
        if self._is_late:
            within = format_duration(timedelta(seconds=self._desired.deadline))
            stood = f": {trouble.words}" if trouble and not ended else ""
            return f"did not end within {within}{stood}"
        if ended and ended.exit_code == 0:
            found = digest_of(self._status(pod))
            runs = found.short if found else "an image that the kubelet does not name"
            return f"ran {runs}, not {self._desired.images[self._service].digest.short}"
        if ended and ended.reason not in ("Error", "Completed", "") and trouble:
            return trouble.words
        if ended:
            return f"ended with exit code {ended.exit_code}"
        return trouble.words if trouble else f"its Job has no result: {job or 'it has no pod'}"

    def _say(self, message: str = "", logs: tuple[str, ...] = ()) -> Progress:
        stage = Stage.AFTER if self._service in self._desired.after else Stage.BEFORE
        environment = self._desired.environment
        return Progress(stage, Mark.RUNNING, self._service, message, environment, logs=logs)


def _ending(job: Json, deadline: float) -> Json:
    """It ends also when nobody is there any more to stop it."""
    limit = int(deadline + _STOPPING)
    return {**job, "spec": {"activeDeadlineSeconds": limit, **job["spec"]}}


def newest(pods: Iterable[Pod]) -> Pod | None:
    """A Job may have made several: one after the other."""
    found = list(pods)
    return max(found, key=lambda p: p.metadata.creation_timestamp or _EARLY, default=None)


def create(cluster: Cluster, service: str, job: Json) -> None:
    """Raises PreconditionError when the API server does not take it."""
    try:
        cluster.create(job)
    except RemoteError as error:
        if error.status == 409 and cluster.get(*JOB, str(job["metadata"]["name"])):
            return  # made by a request whose answer was lost
        if error.temporary:
            raise
        raise PreconditionError(
            f"the API server does not take the Job of {service}",
            error.why or error.what,
            error.next_step,
        ) from error


def prepare(survey: Survey, needed: Iterable[Json]) -> None:
    """What a Job cannot start without: a task runs before its environment is applied. It is claimed
    first, so that `shipit rm` finds it whatever becomes of the task. Raises PreconditionError when
    the API server does not take it."""
    wanted = [applyset.joined(one, survey.set_id) for one in needed]
    if not wanted:
        return
    parent = survey.parent()
    # Where there was no set, what may run without one goes on being looked for.
    applying.claim(survey, parent, wanted, kinds=() if parent else WORKLOADS)
    for one in wanted:
        try:
            applying.asked(survey, one)
        except RemoteError as error:
            if error.temporary:
                raise
            raise PreconditionError(
                f"the API server does not take {resources.title(one)}",
                error.why or error.what,
                error.next_step,
            ) from error


def clear(cluster: Cluster, job: Json) -> None:
    """Take the Jobs of the service's earlier runs away. Raises PreconditionError for one that is
    still at work."""
    labels = job["metadata"].get("labels") or {}
    selector = ",".join(f"{key}={labels[key]}" for key in (names.INSTANCE, names.NAME))
    for old in cluster.list(*JOB, selector=selector):
        if old["metadata"].get("ownerReferences"):
            continue  # a schedule's
        name = str(old["metadata"]["name"])
        if not verdict(old) and not _is_over(cluster, name):
            raise PreconditionError(
                f"an earlier run of {labels[names.NAME]} is still at work",
                f"its Job is {name}",
                f"wait for its end, or `kubectl delete job {name} -n {cluster.namespace}`",
            )
        cluster.delete(*JOB, name)


def _is_over(cluster: Cluster, name: str) -> bool:
    """Its containers have ended, and the Job's controller has yet to write that down."""
    pages = cluster.pages("v1", "Pod", Pod, selector=f"{OF_JOB}={name}")
    ended = [
        status.state.terminated is not None
        for page in pages
        for pod in page.items
        for status in pod.status.container_statuses
    ]
    return bool(ended) and all(ended)


def stop(cluster: Cluster, name: str) -> None:
    """Its pods end, and it stays as the record that it failed. Gone already is as good."""
    try:
        cluster.patch(*JOB, name, {"spec": {"activeDeadlineSeconds": 1}})
    except RemoteError as error:
        if error.status not in (404, 422):  # 422: it has ended
            raise
