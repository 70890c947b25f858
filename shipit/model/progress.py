"""What a runbook says while it works: one stream of values for every listener."""

from datetime import datetime
from enum import StrEnum

import msgspec

from shipit.model.digest import Digest


class Stage(StrEnum):
    """The stages of a deployment, in order (`build` comes before every deployment; `provision` is
    the work on a stack, and no part of any)."""

    BUILD = "build"
    GATES = "gates"
    PLAN = "plan"
    LEASE = "lease"
    COPY = "copy"
    BEFORE = "before"
    APPLY = "apply"
    FOLLOW = "follow"
    PROVE = "prove"
    AFTER = "after"
    VERIFY = "verify"
    ROLLBACK = "rollback"
    RECORD = "record"
    PROVISION = "provision"


class Mark(StrEnum):
    """How the subject of a progress event stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    INFO = "info"


class Progress(msgspec.Struct, frozen=True, tag="progress", tag_field="event", omit_defaults=True):
    """One step. `subject` is a service, a task, a layer, or empty for the stage as a whole.
    `logs` are lines that the subject's container wrote."""

    stage: Stage
    mark: Mark
    subject: str = ""
    message: str = ""
    environment: str = ""
    target: str = ""
    logs: tuple[str, ...] = ()
    at: datetime | None = None


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why something failed: the service or container, one sentence, and its last log lines."""

    subject: str
    what: str
    logs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.subject}: {self.what}" if self.subject else self.what


class Succeeded(msgspec.Struct, frozen=True, tag="succeeded", tag_field="event"):
    """Proven: every service's running containers reported these digests (what was asked for)."""

    proven: dict[str, Digest]


class Failed(msgspec.Struct, frozen=True, tag="failed", tag_field="event"):
    reasons: tuple[Reason, ...]


class RolledBack(msgspec.Struct, frozen=True, tag="rolled_back", tag_field="event"):
    """The platform itself went back to what ran before."""

    reasons: tuple[Reason, ...]


class Superseded(msgspec.Struct, frozen=True, tag="superseded", tag_field="event"):
    by: str


Outcome = Succeeded | Failed | RolledBack | Superseded
