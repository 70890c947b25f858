"""Watch a rollout until it is proven, has failed, or its time is over.

A service is proven when as many containers as asked for run, of its new definition, on an image
that the engine reports under one of the digests asked for, and its health check passes. One without
a health check has to stay up for a moment: a program that dies at start does so then.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec

from shipit.errors import RemoteError
from shipit.model.application import replicas
from shipit.model.deployment import Action, Desired, Health, Rollout
from shipit.model.digest import Digest
from shipit.model.duration import format_duration
from shipit.model.progress import Failed, Mark, Outcome, Progress, Reason, Stage, Succeeded
from shipit.targets.docker.compose import BringUp
from shipit.targets.docker.containers import Container
from shipit.targets.docker.observe import by_service
from shipit.targets.docker.project import specs

POLL = 0.2  # seconds, constant: a back-off only hides that it is done
SETTLE = 2.0  # seconds a container without a health check must have been up
# A service that starts before what it needs may die a few times; the engine doubles its pause each
# time from 0.1 s, so this many restarts mean three seconds of trying.
RESTARTS = 5


class Wanted(msgspec.Struct, frozen=True):
    """What one service must come to."""

    name: str
    action: Action
    count: int
    spec: str
    digest: Digest
    identities: frozenset[Digest]


class Standing(msgspec.Struct, frozen=True):
    """How a service stands: `mark` is RUNNING while it is not decided."""

    mark: Mark
    words: str
    failing: tuple[tuple[Container, str], ...] = ()


class Watch:
    """The state of one `follow`.

    `survey` lists the project's containers, `clock` is the engine's, `tail` reads a container's
    last lines; `before` are the ids of the containers that were there before.
    """

    def __init__(
        self,
        rollout: Rollout,
        *,
        survey: Callable[[], Sequence[Container]],
        clock: Callable[[], float],
        tail: Callable[[Container], tuple[str, ...]],
        bring_up: BringUp | None,
        before: frozenset[str],
    ) -> None:
        self._rollout = rollout
        self._survey, self._clock, self._tail = survey, clock, tail
        self._bring_up = bring_up
        self._before = before
        self._wanted = wanted(rollout)
        self._restarts: dict[str, int] = {}
        self._said: dict[str, str] = {}

    def follow(self) -> Iterator[Progress | Outcome]:
        limit = self._rollout.started + self._rollout.plan.desired.deadline
        try:
            while True:
                # Asked before the look: what Compose did by then is seen in it.
                brought_up = self._bring_up is None or self._bring_up.ended
                found = self._look()
                standings = self._judge(found, brought_up=brought_up)
                yield from self._news(standings)
                outcome = self._outcome(standings, found, brought_up=brought_up)
                if not outcome and time.monotonic() > limit:
                    outcome = self._late(standings, found)
                if outcome:
                    yield outcome
                    return
                time.sleep(POLL)
        finally:
            if self._bring_up:
                self._bring_up.stop()

    def _look(self) -> dict[str, list[Container]] | None:
        """None when the engine did not answer this time: unknown, so neither good nor bad."""
        try:
            return by_service(self._survey())
        except RemoteError as error:
            if not error.temporary:
                raise
            return None

    def _judge(
        self, found: Mapping[str, list[Container]] | None, *, brought_up: bool
    ) -> dict[str, Standing]:
        if found is None:
            silent = Standing(Mark.RUNNING, "the engine does not answer")
            return dict.fromkeys(self._wanted, silent)
        return {
            name: self._stand(want, found.get(name, []), brought_up=brought_up)
            for name, want in self._wanted.items()
        }

    def _stand(self, want: Wanted, found: list[Container], *, brought_up: bool) -> Standing:
        new = [c for c in found if c.spec == want.spec]
        # Until Compose has ended, what was there before may still be stopped and replaced by it.
        judged = [c for c in new if brought_up or c.id not in self._before]
        if want.action is Action.KEEP:
            judged = new
        failing = tuple((c, why) for c in judged if (why := self._failure(want, c)))
        if failing:
            return Standing(Mark.FAILED, failing[0][1], failing)
        good = [c for c in judged if self._good(c)]
        if len(good) == want.count == len(found) and (brought_up or want.action is Action.KEEP):
            return Standing(Mark.DONE, _done(want))
        return Standing(Mark.RUNNING, _waiting(want, found, new, good))

    def _failure(self, want: Wanted, container: Container) -> str:
        if not want.identities & set(container.images):
            runs = container.images[0].short if container.images else "another image"
            return f"runs {runs}, not {want.digest.short} that was asked for"
        if container.state in ("exited", "dead"):
            return _ended(container)
        first = self._restarts.setdefault(
            container.id, container.restarts if container.id in self._before else 0
        )
        if container.restarts - first >= RESTARTS:
            return f"{_ended(container)}, again and again"
        if (
            container.checked
            and container.health is Health.UNHEALTHY
            and container.state == "running"
        ):
            return f"its health check fails: {container.probe}"
        return ""

    def _good(self, container: Container) -> bool:
        if container.state != "running" or container.health is not Health.HEALTHY:
            return False
        return container.checked or self._clock() - container.started >= SETTLE

    def _news(self, standings: Mapping[str, Standing]) -> Iterator[Progress]:
        for name, standing in standings.items():
            if self._said.get(name) != standing.words:
                self._said[name] = standing.words
                yield Progress(
                    Stage.FOLLOW,
                    standing.mark,
                    name,
                    standing.words,
                    self._rollout.plan.desired.environment,
                    self._rollout.plan.target,
                )

    def _outcome(
        self,
        standings: Mapping[str, Standing],
        found: Mapping[str, list[Container]] | None,
        *,
        brought_up: bool,
    ) -> Outcome | None:
        reasons = tuple(
            Reason(
                name,
                f"{container.name} {why}" if len(s.failing) > 1 else why,
                self._tail(container),
            )
            for name, s in standings.items()
            for container, why in s.failing
        )
        if reasons:
            return Failed(reasons)
        complaint = self._bring_up.complaint if self._bring_up and brought_up else ""
        if complaint:
            return Failed((Reason("", f"Compose could not bring it up: {complaint}"),))
        if found is not None and all(s.mark is Mark.DONE for s in standings.values()):
            return Succeeded({n: w.digest for n, w in self._wanted.items() if w.count})
        return None

    def _late(
        self, standings: Mapping[str, Standing], found: Mapping[str, list[Container]] | None
    ) -> Failed:
        within = format_duration(timedelta(seconds=self._rollout.plan.desired.deadline))
        reasons = []
        for name, standing in standings.items():
            if standing.mark is not Mark.DONE:
                own = [c for c in (found or {}).get(name, ()) if c.spec == self._wanted[name].spec]
                logs = self._tail(own[0]) if own else ()
                reasons.append(Reason(name, f"not proven within {within}: {standing.words}", logs))
        return Failed(tuple(reasons))


def wanted(rollout: Rollout) -> dict[str, Wanted]:
    desired: Desired = rollout.plan.desired
    actions = {c.service: c.action for c in rollout.plan.changes}
    hashes = specs(desired)
    return {
        name: Wanted(
            name=name,
            action=actions.get(name, Action.KEEP),
            count=replicas(desired.project["services"][name]),
            spec=hashes[name],
            digest=desired.images[name].digest,
            identities=desired.images[name].identities(),
        )
        for name in desired.services
    }


def _done(want: Wanted) -> str:
    if not want.count:
        return "0 replicas: not exercised"
    state = "unchanged" if want.action is Action.KEEP else "proven"
    return f"{state}, runs {want.digest.short}" + (f" ({want.count}x)" if want.count > 1 else "")


def _waiting(
    want: Wanted, found: Sequence[Container], new: Sequence[Container], good: Sequence[Container]
) -> str:
    if not new:
        return "being replaced" if found else "not started yet"
    if want.count > 1:
        return f"{len(good)} of {want.count} ready"
    one = new[-1]
    if one.state == "running" and one.checked and one.health is not Health.HEALTHY:
        return "running, its health check has not passed yet"
    return "running" if one.state == "running" else one.state


def _ended(container: Container) -> str:
    if container.out_of_memory:
        return "was killed: out of memory"
    words = f"exited with code {container.exit_code}"
    if container.error:
        return f"{words}: {container.error}"
    if container.exit_code == 0:
        return f"{words}; a service stays up (mark one that runs once: `x-shipit: {{run: before}}`)"
    return words
