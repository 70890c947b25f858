"""Watch a rollout until it is proven, has failed, or the time is over.

One watch for each kind, for all services: nothing is polled, and what is told is judged at once. A
watch that breaks is taken up again; while one is away nothing is called proven.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec

from shipit.model.deployment import Rollout
from shipit.model.digest import Digest
from shipit.model.duration import format_duration
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
from shipit.targets.kubernetes import troubles
from shipit.targets.kubernetes.scene import Scene
from shipit.targets.kubernetes.standing import End, Standing, Want, stand

_PACE = 1.0  # seconds between two lines about a service that is still waited for
_LOOK = 1.0  # seconds without news after which the clock is looked at

_MARKS = {
    End.WAITING: Mark.RUNNING,
    End.DONE: Mark.DONE,
    End.FAILED: Mark.FAILED,
    End.BACK: Mark.FAILED,
    End.SUPERSEDED: Mark.FAILED,
}


class Follow:
    """The state of one `follow`. `refused` are services that the API server did not take."""

    def __init__(
        self,
        rollout: Rollout,
        scene: Scene,
        wants: Sequence[Want],
        refused: Mapping[str, str],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._rollout, self._scene, self._clock = rollout, scene, clock
        self._wants = {want.service: want for want in wants}
        self._refused = dict(refused)
        self._standings: dict[str, Standing] = {}
        self._said: dict[str, str] = {}
        self._said_at: dict[str, float] = {}
        self._ill_since: dict[str, float] = {}
        self._good_since: dict[str, float] = {}

    def follow(self) -> Iterator[Progress | Outcome]:
        limit = self._rollout.started + self._rollout.plan.desired.deadline
        if self._refused:
            yield Failed(tuple(Reason(n, words) for n, words in self._refused.items()))
            return
        with self._scene as scene:
            while True:
                left = limit - self._clock()
                changed = scene.wait(max(min(left, _LOOK), 0))
                yield from self._away(scene.away)
                self._judge(changed)
                yield from self._news()
                outcome = self._outcome() or (self._late() if left <= 0 else None)
                if outcome:
                    yield outcome
                    return

    def _judge(self, changed: set[str]) -> None:
        """Those of which there is news; and those whose trouble may have lasted too long."""
        if not self._scene.complete:
            return
        first = not self._standings
        for name, want in self._wants.items():
            if first or want.head in changed or name in {*self._ill_since, *self._good_since}:
                self._standings[name] = self._stand(want)

    def _stand(self, want: Want) -> Standing:
        standing = stand(want, self._scene.look(want))
        if standing.end is End.DONE:
            return self._settled(want, standing)
        self._good_since.pop(want.service, None)
        if standing.end is not End.WAITING:
            return standing
        ill = [(p, t) for p in standing.pods if not p.is_ready and (t := troubles.of_pod(p))]
        if not ill:
            self._ill_since.pop(want.service, None)
            return standing
        since = self._ill_since.setdefault(want.service, self._clock())
        lasting = self._clock() - since >= troubles.SETTLE
        pod, trouble = next(((p, t) for p, t in ill if t.final), ill[0])
        if trouble.final or (trouble.passing and lasting):
            return Standing(End.FAILED, trouble.words, (pod,))
        words = f"{standing.words}; {pod.name}: {trouble.words}"
        return msgspec.structs.replace(standing, words=words)

    def _settled(self, want: Want, standing: Standing) -> Standing:
        """A container without a probe is ready the moment it starts, also when it then crashes."""
        since = self._good_since.setdefault(want.service, self._clock())
        if self._clock() - since >= want.settle:
            return standing
        words = f"{standing.words}, watched for {want.settle:.0f} s"
        return msgspec.structs.replace(standing, end=End.WAITING, words=words)

    def _news(self) -> Iterator[Progress]:
        for name, standing in self._standings.items():
            words = standing.words
            if standing.end is End.DONE and not words.startswith("0 replicas"):
                words = f"proven, {words}"
            if self._said.get(name) != words and self._may_say(name, standing.end):
                self._said[name] = words
                yield self._say(_MARKS[standing.end], name, words)

    def _may_say(self, name: str, end: End) -> bool:
        """A count that moves is told now and then; an end at once."""
        now = self._clock()
        if end is End.WAITING and now - self._said_at.get(name, float("-inf")) < _PACE:
            return False
        self._said_at[name] = now
        return True

    def _away(self, why: str) -> Iterator[Progress]:
        if self._said.get("") != why:
            if why or self._said.get(""):
                yield self._say(Mark.INFO, "", why or "the API server is watched again")
            self._said[""] = why

    def _say(self, mark: Mark, name: str, words: str) -> Progress:
        plan = self._rollout.plan
        return Progress(Stage.FOLLOW, mark, name, words, plan.desired.environment, plan.target)

    def _outcome(self) -> Outcome | None:
        by = next((s.words for s in self._standings.values() if s.end is End.SUPERSEDED), "")
        if by:
            return Superseded(by)
        bad = {n: s for n, s in self._standings.items() if s.end in (End.FAILED, End.BACK)}
        if bad:
            reasons = self._reasons(bad)
            back = all(s.end is End.BACK for s in bad.values())
            return RolledBack(reasons) if back else Failed(reasons)
        if not self._scene.complete or self._scene.away:
            return None
        if all(self._is_done(name) for name in self._wants):
            return Succeeded(dict(self._proven()))
        return None

    def _is_done(self, name: str) -> bool:
        standing = self._standings.get(name)
        return standing is not None and standing.end is End.DONE

    def _proven(self) -> Iterator[tuple[str, Digest]]:
        for name, want in self._wants.items():
            if want.digest and not self._standings[name].words.startswith("0 replicas"):
                yield name, want.digest

    def _reasons(self, bad: Mapping[str, Standing]) -> tuple[Reason, ...]:
        told: list[Reason] = []
        for name, standing in bad.items():
            pods = [p for p in standing.pods if not p.is_ready]
            told += troubles.reasons(
                self._scene.cluster,
                name,
                standing.words,
                pods,
                [self._wants[name].mark.name],
            )
        return tuple(told)

    def _late(self) -> Failed:
        within = format_duration(timedelta(seconds=self._rollout.plan.desired.deadline))
        late = {}
        for name in self._wants:
            if not self._is_done(name):
                known = self._standings.get(name)
                seen, pods = (known.words, known.pods) if known else ("nothing of it is seen", ())
                words = f"{seen}; {self._scene.away}" if self._scene.away else seen
                late[name] = Standing(End.FAILED, f"not proven within {within}: {words}", pods)
        if not late:  # all are proven, and the connection that says so is gone
            return Failed((Reason("", f"not proven within {within}: {self._scene.away}"),))
        return Failed(self._reasons(late))
