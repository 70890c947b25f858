"""Watch the deployments of a rollout until they are proven, have failed, or the time is over.

One poller for all services, at a constant pace: a back-off would only hide that it is done. A
service is proven when the deployment that the update answered with is COMPLETED and every running
task's containers report a digest that was asked for.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shipit.errors import RemoteError
from shipit.model.deployment import Rollout
from shipit.model.digest import Digest
from shipit.model.duration import format_duration, parse_duration
from shipit.model.progress import (
    Failed,
    Mark,
    Outcome,
    Progress,
    Reason,
    RolledBack,
    Stage,
    Succeeded,
    Superseded,
)
from shipit.targets.ecs import troubles
from shipit.targets.ecs.render import Rendered
from shipit.targets.ecs.standing import End, Standing, messages, stand
from shipit.targets.ecs.survey import Live, Survey

Json = dict[str, Any]

POLL = 2.0  # seconds between two looks
_JITTER = 0.1  # of it, so that many environments do not ask in step
_LOOK_FOR_FAILURES = 5  # polls: how often a rollout that only waits is asked for failed tasks
_MISSING = 60.0  # seconds in which a service may not be visible yet


class Watched(msgspec.Struct, frozen=True):
    """One ECS service of a rollout. `deployment`: the id; `asked_at`: ECS's time of it."""

    want: Rendered
    deployment: str
    identities: dict[str, frozenset[Digest]]
    digests: dict[str, Digest]
    asked_at: datetime | None = None
    refused: str = ""
    bake: float = 0.0


class Watch:
    """The state of one `follow`. `clock` and `pause` are the machine's, or a test's; `fresh` is
    what was read a moment ago, and stands for the first look."""

    def __init__(
        self,
        rollout: Rollout,
        survey: Survey,
        watched: Sequence[Watched],
        *,
        clock: Callable[[], float],
        pause: Callable[[float], None],
        fresh: Sequence[Live] = (),
    ) -> None:
        self._rollout, self._survey = rollout, survey
        self._watched = {w.want.group.name: w for w in watched}
        self._clock, self._pause = clock, pause
        self._fresh = {live.group: live for live in fresh}
        self._events: set[str] = set()
        self._said: dict[str, str] = {}
        self._done_since: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._proven: dict[str, Digest] = {}
        self._polls = 0

    def follow(self) -> Iterator[Progress | Outcome]:
        started = self._rollout.started
        limit = started + self._rollout.plan.desired.deadline
        while True:
            found = self._look()
            standings = self._judge(found)
            yield from self._news(found, standings)
            outcome = self._outcome(found, standings, self._clock() - started)
            if not outcome and self._clock() > limit:
                outcome = self._late(found, standings)
            if outcome:
                yield outcome
                return
            self._polls += 1
            self._pause(POLL * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - jitter

    def _look(self) -> dict[str, Live] | None:
        """None when AWS did not answer this time: unknown, so neither good nor bad."""
        if self._fresh and not self._polls:
            return self._fresh
        try:
            found = self._survey.described(w.want.name for w in self._watched.values())
        except RemoteError as error:
            if not error.temporary:
                raise
            return None
        return {live.group: live for live in found.values()}

    def _judge(self, found: Mapping[str, Live] | None) -> dict[str, Standing]:
        if found is None:
            silent = Standing(End.WAITING, "AWS does not answer")
            return dict.fromkeys(self._watched, silent)
        return {name: self._stand(w, found.get(name)) for name, w in self._watched.items()}

    def _stand(self, watched: Watched, live: Live | None) -> Standing:
        if watched.refused:
            return Standing(End.FAILED, watched.refused)
        standing = stand(live.service if live else None, watched.deployment, watched.asked_at)
        if standing.end is End.COMPLETED and live:
            return self._prove(watched, live, standing)
        if standing.end is End.WAITING and live:
            return self._count_failures(watched, standing)
        return standing

    def _prove(self, watched: Watched, live: Live, standing: Standing) -> Standing:
        """ECS's word is not enough: the running containers' digests are what proves it."""
        if not int(live.service.get("desiredCount", 0)):
            return self._not_exercised(watched, standing)
        seen = live.tasks or self._survey.tasks(live.name)
        tasks = [t for t in seen if t.get("lastStatus") == "RUNNING"]
        if len(tasks) < max(int(standing.deployment.get("runningCount", 0)), 1):
            return msgspec.structs.replace(
                standing, end=End.WAITING, words="its tasks are not seen"
            )
        for name in watched.want.group.members:
            wrong = _unproven(name, watched.identities[name], tasks)
            if wrong:
                return msgspec.structs.replace(standing, **wrong)
        return self._baked(watched, standing)

    def _not_exercised(self, watched: Watched, standing: Standing) -> Standing:
        if watched.want.count:
            return msgspec.structs.replace(
                standing, end=End.FAILED, words="its desired count is 0: nothing was exercised"
            )
        return msgspec.structs.replace(standing, words="0 replicas: not exercised")

    def _baked(self, watched: Watched, standing: Standing) -> Standing:
        """`update_config.monitor`: it has to stay so for a while, watched by us and not by ECS."""
        name = watched.want.group.name
        since = self._done_since.setdefault(name, self._clock())
        if self._clock() - since < watched.bake:
            return msgspec.structs.replace(
                standing,
                end=End.WAITING,
                words=f"{standing.words}, watched for {watched.bake:.0f} s",
            )
        self._proven |= {n: watched.digests[n] for n in watched.want.group.members}
        return standing

    def _count_failures(self, watched: Watched, standing: Standing) -> Standing:
        """ECS's breaker does not count everything, and nothing in a first deployment."""
        name, failed = watched.want.group.name, int(standing.deployment.get("failedTasks", 0))
        due = failed > self._failures.get(name, 0) or self._polls % _LOOK_FOR_FAILURES == 4
        if not standing.deployment or not due:
            return standing
        tasks = self._stopped(watched, standing)
        self._failures[name] = max(failed, len(tasks))
        if troubles.too_many(tasks, int(standing.deployment.get("desiredCount", 0))):
            words = f"{len(tasks)} of its tasks failed"
            return msgspec.structs.replace(standing, end=End.FAILED, words=words)
        if tasks:
            words = f"{standing.words}; a task failed: {troubles.in_words(tasks[0])}"
            return msgspec.structs.replace(standing, words=words)
        return standing

    def _stopped(self, watched: Watched, standing: Standing) -> list[Json]:
        revision = str(standing.deployment.get("taskDefinition", ""))
        try:
            return troubles.stopped(self._survey, watched.want.name, watched.deployment, revision)
        except RemoteError:
            return []  # what it was is told without them

    def _news(
        self, found: Mapping[str, Live] | None, standings: Mapping[str, Standing]
    ) -> Iterator[Progress]:
        for name, standing in standings.items():
            live = (found or {}).get(name)
            yield from self._told(name, live.service if live else {})
            words = standing.words
            if standing.end is End.COMPLETED:
                words = _done(self._watched[name], standing)
            if self._said.get(name) != words:
                self._said[name] = words
                yield self._say(_MARKS[standing.end], name, words)

    def _told(self, name: str, service: Json) -> Iterator[Progress]:
        """The service's events since our deployment, the oldest first."""
        since = self._watched[name].asked_at
        for event in reversed(service.get("events") or ()):
            if event["id"] in self._events or (since and event["createdAt"] < since):
                continue
            self._events.add(event["id"])
            yield self._say(Mark.INFO, name, str(event["message"]))

    def _say(self, mark: Mark, name: str, words: str) -> Progress:
        plan = self._rollout.plan
        return Progress(Stage.FOLLOW, mark, name, words, plan.desired.environment, plan.target)

    def _outcome(
        self,
        found: Mapping[str, Live] | None,
        standings: Mapping[str, Standing],
        elapsed: float,
    ) -> Outcome | None:
        by = next((s.words for s in standings.values() if s.end is End.SUPERSEDED), "")
        if by:
            return Superseded(by)
        bad = {
            name: s
            for name, s in standings.items()
            if s.end in (End.FAILED, End.ROLLED_BACK)
            or (s.end is End.MISSING and elapsed > _MISSING)
        }
        if bad:
            reasons = self._reasons(found, bad)
            back = all(s.end is End.ROLLED_BACK for s in bad.values())
            return RolledBack(reasons) if back else Failed(reasons)
        if found is not None and all(s.end is End.COMPLETED for s in standings.values()):
            return Succeeded(dict(self._proven))
        return None

    def _reasons(
        self, found: Mapping[str, Live] | None, bad: Mapping[str, Standing]
    ) -> tuple[Reason, ...]:
        told: list[Reason] = []
        for name, standing in bad.items():
            watched = self._watched[name]
            live = (found or {}).get(name)
            told += troubles.reasons(
                self._survey.cloud,
                name,
                standing.words,
                self._stopped(watched, standing),
                watched.want.task_definition,
                messages(live.service) if live else [],
            )
        return tuple(told)

    def _late(self, found: Mapping[str, Live] | None, standings: Mapping[str, Standing]) -> Failed:
        within = format_duration(timedelta(seconds=self._rollout.plan.desired.deadline))
        late = {
            name: msgspec.structs.replace(s, words=f"not proven within {within}: {s.words}")
            for name, s in standings.items()
            if s.end is not End.COMPLETED
        }
        return Failed(self._reasons(found, late))


_MARKS = {
    End.WAITING: Mark.RUNNING,
    End.MISSING: Mark.RUNNING,
    End.COMPLETED: Mark.DONE,
    End.FAILED: Mark.FAILED,
    End.ROLLED_BACK: Mark.FAILED,
    End.SUPERSEDED: Mark.FAILED,
}


def bake_of(deploy: Mapping[str, Any]) -> float:
    """`update_config.monitor` in seconds."""
    said = (deploy.get("update_config") or {}).get("monitor")
    return parse_duration(said).total_seconds() if said else 0.0


def _unproven(name: str, identities: frozenset[Digest], tasks: Sequence[Json]) -> dict[str, Any]:
    """What is wrong with a container in the running tasks, as fields of a Standing."""
    for task in tasks:
        one = next((c for c in task.get("containers") or () if c.get("name") == name), None)
        if one is None:
            return {"end": End.FAILED, "words": f"a task runs without {name}"}
        said = str(one.get("imageDigest") or "")
        if not said:
            if one.get("exitCode") == 0:
                continue  # it has done its part and ended
            return {"end": End.WAITING, "words": f"ECS does not name the digest of {name} yet"}
        if Digest(said) not in identities:
            asked = ", ".join(sorted(d.short for d in identities)[:1])
            return {"end": End.FAILED, "words": f"{name} runs {Digest(said).short}, not {asked}"}
    return {}


def _done(watched: Watched, standing: Standing) -> str:
    if standing.words.startswith("0 replicas"):
        return standing.words
    digest = watched.digests[watched.want.group.name]
    count = int(standing.deployment.get("runningCount", 0))
    return f"proven, runs {digest.short}" + (f" ({count}x)" if count > 1 else "")
