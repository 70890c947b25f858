"""The facts in the ledger. Every type carries a version (`v`); new fields always have a default,
and a changed meaning is a new version, so that any shipit reads what any earlier one wrote."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from shipit.model.digest import Digest
from shipit.model.progress import Reason, Stage
from shipit.model.release import ReleaseSummary


class Actor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who, and from where. `process` identifies the process beyond its pid, so that somebody on
    the same machine can tell that it is gone: boot id, pid namespace and start time."""

    name: str
    host: str = ""
    pid: int = 0
    process: str = ""
    run: str = ""  # the CI run's address
    version: str = ""  # shipit's

    def __str__(self) -> str:
        where = self.run or (f"{self.host} pid {self.pid}" if self.host else "")
        return f"{self.name} ({where})" if where else self.name


class Kind(StrEnum):
    """Why a release enters an environment."""

    DEPLOY = "deploy"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


class _Event(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True, kw_only=True):
    v: int = 1


class ReleaseCreated(_Event, frozen=True, tag="release.created", kw_only=True):
    release: ReleaseSummary


class ReleaseApproved(_Event, frozen=True, tag="release.approved", kw_only=True):
    """Tied to the content: an approval is for this digest in this environment, nothing else."""

    environment: str
    release: Digest
    comment: str = ""


class ReleaseRejected(_Event, frozen=True, tag="release.rejected", kw_only=True):
    environment: str
    release: Digest
    comment: str = ""


class DeploymentStarted(_Event, frozen=True, tag="deployment.started", kw_only=True):
    """The lease. The number of this event's commit is the deployment's token.

    `ttl` seconds without a sign of life and somebody else may take over. `resumes` is the token
    of the interrupted deployment that this one takes up again, 0 for none. `override` is the
    reason somebody gave for going past a gate.
    """

    environment: str
    release: Digest
    release_id: str
    kind: Kind = Kind.DEPLOY
    ttl: float = 30.0
    resumes: int = 0
    override: str = ""


class StageFinished(_Event, frozen=True, tag="deployment.stage_finished", kw_only=True):
    environment: str
    token: int
    stage: Stage
    target: str = ""
    subject: str = ""
    detail: str = ""


class RollbackStarted(_Event, frozen=True, tag="deployment.rollback_started", kw_only=True):
    """Not proven: from here on the environment is on its way back."""

    environment: str
    token: int
    reasons: tuple[Reason, ...]


class DeploymentSucceeded(_Event, frozen=True, tag="deployment.succeeded", kw_only=True):
    """`proven` is, by target and service, the digest that the running containers reported."""

    environment: str
    token: int
    proven: dict[str, dict[str, Digest]]


class DeploymentFailed(_Event, frozen=True, tag="deployment.failed", kw_only=True):
    """Ended without success. `changed` is False when nothing in the environment was touched."""

    environment: str
    token: int
    reasons: tuple[Reason, ...]
    changed: bool = True


class DeploymentRolledBack(_Event, frozen=True, tag="deployment.rolled_back", kw_only=True):
    environment: str
    token: int
    reasons: tuple[Reason, ...]
    to: Digest


class DeploymentSuperseded(_Event, frozen=True, tag="deployment.superseded", kw_only=True):
    environment: str
    token: int
    by: str


class DeploymentInterrupted(_Event, frozen=True, tag="deployment.interrupted", kw_only=True):
    """The take-over: written by somebody else once the owner of `token` showed no sign of life."""

    environment: str
    token: int
    why: str


class HoldSet(_Event, frozen=True, tag="environment.held", kw_only=True):
    environment: str
    reason: str


class HoldLifted(_Event, frozen=True, tag="environment.released", kw_only=True):
    environment: str
    reason: str = ""


class HealthChecked(_Event, frozen=True, tag="environment.checked", kw_only=True):
    """What `verify`, `stop` or `start` found or caused; `status` shows the newest."""

    environment: str
    healthy: bool
    note: str = ""


class StackProvisioned(_Event, frozen=True, tag="stack.provisioned", kw_only=True):
    """`outputs` are those that are no secret: what a target's `stack:` reads."""

    stack: str
    environment: str = ""
    project: str = ""
    outputs: dict[str, Any] = {}


class StackDestroyed(_Event, frozen=True, tag="stack.destroyed", kw_only=True):
    stack: str
    environment: str = ""
    project: str = ""


class EnvironmentRemoved(_Event, frozen=True, tag="environment.removed", kw_only=True):
    environment: str


Event = (
    ReleaseCreated
    | ReleaseApproved
    | ReleaseRejected
    | DeploymentStarted
    | StageFinished
    | RollbackStarted
    | DeploymentSucceeded
    | DeploymentFailed
    | DeploymentRolledBack
    | DeploymentSuperseded
    | DeploymentInterrupted
    | HoldSet
    | HoldLifted
    | HealthChecked
    | EnvironmentRemoved
    | StackProvisioned
    | StackDestroyed
)


class Commit(msgspec.Struct, frozen=True):
    """One object of the log: events that hold together, or none of them."""

    number: int
    at: datetime
    by: Actor
    events: tuple[Event, ...]
    id: str = ""  # random, so that a writer recognizes its own commit after a lost answer
