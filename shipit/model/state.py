"""The state: the fold over the ledger's events. Bounded, so that a checkpoint stays small."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from shipit.model import events as e
from shipit.model.digest import Digest
from shipit.model.progress import Reason, Stage
from shipit.model.release import ReleaseSummary
from shipit.model.stack import StackRecord

KEPT_RELEASES = 200
KEPT_DEPLOYMENTS = 50  # an environment; older ones are in the log
KEPT_PROVEN = 200


class Deployed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A release that runs (or ran) in an environment, as it was proven."""

    release: Digest
    release_id: str
    token: int
    at: datetime
    services: dict[str, Digest]
    healthy: bool = True
    checked_at: datetime | None = None
    note: str = ""


class Active(msgspec.Struct, frozen=True, omit_defaults=True):
    """A deployment under way: the lease. `unsettled`: an interrupted deployment before it may have
    left changes behind."""

    environment: str
    token: int
    release: Digest
    release_id: str
    kind: e.Kind
    started_at: datetime
    owner: e.Actor
    ttl: float
    resumes: int = 0
    origin: int = 0  # the first token in a chain of resumed deployments: names its one-off tasks
    finished: tuple[e.StageFinished, ...] = ()
    rolling_back: tuple[Reason, ...] = ()
    unsettled: bool = False

    @property
    def changing(self) -> bool:
        """Whether the environment may not be any more as it was last proven."""
        begun = any(f.stage is Stage.BEFORE and not f.subject for f in self.finished)
        return self.unsettled or begun or bool(self.rolling_back)


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """A deployment that ended: succeeded, failed, rolled_back, superseded or interrupted."""

    token: int
    environment: str
    release: Digest
    release_id: str
    kind: e.Kind
    by: e.Actor
    started_at: datetime
    ended_at: datetime
    outcome: str
    reasons: tuple[Reason, ...] = ()


class Hold(msgspec.Struct, frozen=True):
    reason: str
    by: e.Actor
    at: datetime


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """An approval or a rejection of a release, by digest."""

    release: Digest
    by: e.Actor
    at: datetime
    approved: bool
    comment: str = ""


class EnvironmentState(msgspec.Struct, frozen=True, omit_defaults=True):
    """`proven`: since when each release digest is proven here; `ran`: for how many seconds it ran,
    once it has gone. `interrupted` waits for a resume."""

    current: Deployed | None = None
    previous: Deployed | None = None
    active: Active | None = None
    interrupted: Active | None = None
    hold: Hold | None = None
    recent: tuple[Record, ...] = ()
    proven: dict[str, datetime] = {}
    ran: dict[str, float] = {}
    decisions: tuple[Decision, ...] = ()


_EMPTY = EnvironmentState()


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """`number` is the commit up to which events are folded in. Releases: the newest first.

    A state of another `version` is not read, but folded again: what is in one has changed."""

    number: int = 0
    version: int = 4
    releases: tuple[ReleaseSummary, ...] = ()
    environments: dict[str, EnvironmentState] = {}
    deployments: int = 0
    stacks: dict[str, StackRecord] = {}

    def environment(self, name: str) -> EnvironmentState:
        return self.environments.get(name, _EMPTY)

    def release(self, digest: Digest) -> ReleaseSummary | None:
        return next((r for r in self.releases if r.digest == digest), None)


def refusal(state: State, event: e.Event) -> str:
    """Why the event may not follow this state, or "". The fold skips what is refused."""
    if isinstance(event, e.ReleaseCreated):
        taken = any(r.id == event.release.id for r in state.releases)
        return f"release {event.release.id} exists already" if taken else ""
    if isinstance(event, e.DeploymentStarted):
        active = state.environment(event.environment).active
        return f"{event.environment} is leased by {active.owner}" if active else ""
    token = getattr(event, "token", None)
    if token is None:
        return ""
    active = state.environment(event.environment).active
    if active is None or active.token != token:
        return f"deployment {token} does not hold {event.environment} any more"
    return ""


def fold(state: State, commit: e.Commit) -> State:
    """The state after one more commit. Raises ValueError when it is not the next one."""
    if commit.number != state.number + 1:
        raise ValueError(f"commit {commit.number} does not follow {state.number}")
    for event in commit.events:
        if not refusal(state, event):
            state = _step(state, event, commit)
    return replace(state, number=commit.number)


def _step(state: State, event: e.Event, commit: e.Commit) -> State:
    if isinstance(event, e.ReleaseCreated):
        return _with_release(state, event.release)
    if isinstance(event, e.StackProvisioned | e.StackDestroyed):
        return replace(state, stacks=_stacks(state, event, commit))
    before = state.environment(event.environment)
    after: EnvironmentState = _STEPS[type(event)](before, event, commit)
    if isinstance(event, e.DeploymentStarted):
        state = replace(state, deployments=state.deployments + 1)
    return replace(state, environments={**state.environments, event.environment: after})


def _stacks(
    state: State, event: e.StackProvisioned | e.StackDestroyed, commit: e.Commit
) -> dict[str, StackRecord]:
    """An account's stack is of no environment, and no target's: an environment of the same name has
    one of its own."""
    key = event.stack if event.environment else f"{event.project}/{event.stack}"
    others = {name: stack for name, stack in state.stacks.items() if name != key}
    if isinstance(event, e.StackDestroyed):
        return others
    return {**others, key: StackRecord(event.outputs, commit.at, commit.by.name)}


def _with_release(state: State, release: ReleaseSummary) -> State:
    """The oldest go first, but never one that runs, ran before, or is on its way."""
    needed = set()
    for env in state.environments.values():
        needed |= {d.release for d in (env.current, env.previous) if d}
        needed |= {a.release for a in (env.active, env.interrupted) if a}
    kept = (release, *state.releases)
    kept = kept[:KEPT_RELEASES] + tuple(r for r in kept[KEPT_RELEASES:] if r.digest in needed)
    return replace(state, releases=kept)


def _started(
    env: EnvironmentState, event: e.DeploymentStarted, commit: e.Commit
) -> EnvironmentState:
    resumed = (
        env.interrupted if env.interrupted and env.interrupted.token == event.resumes else None
    )
    active = Active(
        environment=event.environment,
        token=commit.number,
        release=event.release,
        release_id=event.release_id,
        kind=event.kind,
        started_at=commit.at,
        owner=commit.by,
        ttl=event.ttl,
        resumes=event.resumes,
        origin=resumed.origin if resumed else commit.number,
        finished=resumed.finished if resumed else (),
        rolling_back=resumed.rolling_back if resumed else (),
        unsettled=env.interrupted is not None and env.interrupted.changing,
    )
    return replace(env, active=active, interrupted=None)


def _stage_finished(env: EnvironmentState, event: e.StageFinished, _: e.Commit) -> EnvironmentState:
    active = _active(env)
    return replace(env, active=replace(active, finished=(*active.finished, event)))


def _rollback_started(
    env: EnvironmentState, event: e.RollbackStarted, _: e.Commit
) -> EnvironmentState:
    return replace(env, active=replace(_active(env), rolling_back=event.reasons))


def _succeeded(
    env: EnvironmentState, event: e.DeploymentSucceeded, commit: e.Commit
) -> EnvironmentState:
    active = _active(env)
    current = Deployed(
        release=active.release,
        release_id=active.release_id,
        token=active.token,
        at=commit.at,
        services={name: d for found in event.proven.values() for name, d in found.items()},
        checked_at=commit.at,
    )
    again = env.current is not None and env.current.release == active.release
    if again and env.current is not None:
        current = replace(current, at=env.current.at)
    proven = {k: v for k, v in env.proven.items() if k != str(active.release)}
    if active.kind is e.Kind.ROLLBACK and env.current and not again:
        proven.pop(str(env.current.release), None)  # going back says that it was not good
    since = env.proven.get(str(active.release), commit.at) if again else commit.at
    proven = dict(list({**proven, str(active.release): since}.items())[-KEPT_PROVEN:])
    previous = env.previous if again else env.current
    ran = env.ran if again else _ran(env, commit)
    ran = {k: v for k, v in ran.items() if k in proven and k != str(active.release)}
    env = replace(env, current=current, previous=previous, proven=proven, ran=ran)
    return _ended(env, commit, "succeeded")


def _ran(env: EnvironmentState, commit: e.Commit) -> dict[str, float]:
    """With the time of what runs now, which goes."""
    if env.current is None:
        return env.ran
    return {**env.ran, str(env.current.release): (commit.at - env.current.at).total_seconds()}


def _failed(env: EnvironmentState, event: e.DeploymentFailed, commit: e.Commit) -> EnvironmentState:
    if event.changed:
        env = _unhealthy(env, commit, "a deployment failed here")
    return _ended(env, commit, "failed", event.reasons)


def _rolled_back(
    env: EnvironmentState, event: e.DeploymentRolledBack, commit: e.Commit
) -> EnvironmentState:
    return _ended(env, commit, "rolled_back", event.reasons)


def _superseded(
    env: EnvironmentState, event: e.DeploymentSuperseded, commit: e.Commit
) -> EnvironmentState:
    env = _unhealthy(env, commit, f"superseded by {event.by}: what runs here is not known")
    return _ended(env, commit, "superseded", (Reason("", f"superseded by {event.by}"),))


def _interrupted(
    env: EnvironmentState, event: e.DeploymentInterrupted, commit: e.Commit
) -> EnvironmentState:
    active = _active(env)
    return replace(_ended(env, commit, "interrupted", (Reason("", event.why),)), interrupted=active)


def _held(env: EnvironmentState, event: e.HoldSet, commit: e.Commit) -> EnvironmentState:
    return replace(env, hold=Hold(event.reason, commit.by, commit.at))


def _released(env: EnvironmentState, _: e.HoldLifted, __: e.Commit) -> EnvironmentState:
    return replace(env, hold=None)


def _decided(
    env: EnvironmentState, event: e.ReleaseApproved | e.ReleaseRejected, commit: e.Commit
) -> EnvironmentState:
    """One word a person and release: the newest."""
    approved = isinstance(event, e.ReleaseApproved)
    said = Decision(event.release, commit.by, commit.at, approved, event.comment)
    others = (d for d in env.decisions if (d.release, d.by.name) != (event.release, commit.by.name))
    return replace(env, decisions=(said, *others)[:KEPT_PROVEN])


def _checked(env: EnvironmentState, event: e.HealthChecked, commit: e.Commit) -> EnvironmentState:
    if env.current is None:
        return env
    current = replace(env.current, healthy=event.healthy, checked_at=commit.at, note=event.note)
    return replace(env, current=current)


def _removed(env: EnvironmentState, _: e.EnvironmentRemoved, commit: e.Commit) -> EnvironmentState:
    previous, ran = env.current or env.previous, _ran(env, commit)
    return replace(env, current=None, previous=previous, interrupted=None, ran=ran)


_STEPS: dict[type, Any] = {
    e.DeploymentStarted: _started,
    e.StageFinished: _stage_finished,
    e.RollbackStarted: _rollback_started,
    e.DeploymentSucceeded: _succeeded,
    e.DeploymentFailed: _failed,
    e.DeploymentRolledBack: _rolled_back,
    e.DeploymentSuperseded: _superseded,
    e.DeploymentInterrupted: _interrupted,
    e.HoldSet: _held,
    e.HoldLifted: _released,
    e.ReleaseApproved: _decided,
    e.ReleaseRejected: _decided,
    e.HealthChecked: _checked,
    e.EnvironmentRemoved: _removed,
}


def _active(env: EnvironmentState) -> Active:
    if env.active is None:
        raise ValueError("no deployment is under way")  # refusal() lets none come here
    return env.active


def _unhealthy(env: EnvironmentState, commit: e.Commit, note: str) -> EnvironmentState:
    if env.current is None:
        return env
    return replace(
        env, current=replace(env.current, healthy=False, checked_at=commit.at, note=note)
    )


def _ended(
    env: EnvironmentState, commit: e.Commit, outcome: str, reasons: tuple[Reason, ...] = ()
) -> EnvironmentState:
    active = _active(env)
    record = Record(
        token=active.token,
        environment=active.environment,
        release=active.release,
        release_id=active.release_id,
        kind=active.kind,
        by=active.owner,
        started_at=active.started_at,
        ended_at=commit.at,
        outcome=outcome,
        reasons=reasons,
    )
    return replace(env, active=None, recent=(record, *env.recent)[:KEPT_DEPLOYMENTS])
