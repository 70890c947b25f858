"""What was asked for, what came of it, and the plan that is saved in between."""

from datetime import datetime

import msgspec

from shipit.model.deployment import Plan
from shipit.model.digest import Digest
from shipit.model.events import Kind
from shipit.model.progress import Outcome, Progress

Step = Progress | Outcome


class SavedPlan(msgspec.Struct, frozen=True):
    """What `plan -o` writes and `deploy --plan` applies: exactly this, or nothing.

    `running` is the token of the deployment that the environment ran when the plan was made, 0 for
    none; with each target's fingerprint it is the plan's precondition.
    """

    app: str
    environment: str
    release: Digest
    release_id: str
    made_at: datetime
    running: int
    plans: dict[str, Plan]
    version: int = 1


class Request(msgspec.Struct, frozen=True):
    """A release into an environment. `release` as the user named it; empty for the default."""

    environment: str
    release: str = ""
    kind: Kind = Kind.DEPLOY
    override: str = ""
    plan: SavedPlan | None = None
    reason: str = ""


class Result(msgspec.Struct, frozen=True, tag="result", tag_field="event"):
    """How a deployment ended well. `changed` says whether anything had to be changed for it."""

    environment: str
    release: Digest
    release_id: str
    kind: Kind
    token: int
    proven: dict[str, dict[str, Digest]]
    changed: bool
    seconds: float
