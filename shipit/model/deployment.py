"""What should run, what runs, and the plan between the two."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from shipit.model.digest import Digest
from shipit.model.image import Image


class Desired(msgspec.Struct, frozen=True):
    """A release in an environment, as one target is asked to run it.

    `project` is the Compose project (the Compose Specification's JSON form) for this environment,
    every image pinned by digest in the repository that this environment is served from. `images`
    has the same images by service, tasks included; `services` are the long-running ones;
    `before` and `after` the one-off tasks in dependency order; `scheduled` what runs at its times.

    `source` are the team's own manifests (Kubernetes objects, or ECS definitions), every image in
    them by digest, to be applied instead of what compose.yaml would be rendered to: then the
    long-running services of `project` stand for what they run (model/source.py), and `images` has
    an entry for every image in them.
    """

    app: str
    environment: str
    release: Digest
    release_id: str
    project: dict[str, Any]
    images: dict[str, Image]
    services: tuple[str, ...]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    scheduled: tuple[str, ...] = ()
    deadline: float = 300.0  # seconds for the whole rollout
    deployment: str = ""  # the deployment's token in the ledger; empty while it is only planned
    back: bool = False  # to what was proven here before: what rings now is why, and no obstacle
    source: tuple[dict[str, Any], ...] = ()


class Health(StrEnum):
    """Unknown is not healthy."""

    HEALTHY = "healthy"
    STARTING = "starting"
    UNHEALTHY = "unhealthy"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class ObservedService(msgspec.Struct, frozen=True):
    """A service as its target reports it.

    `images` are the digests its containers report (manifest, index or image id: compare with
    `Image.identities()`); `spec` is the hash of the service's definition that it was brought up
    with, empty when shipit did not bring it up.
    """

    name: str
    desired: int
    running: int
    health: Health
    images: tuple[Digest, ...] = ()
    spec: str = ""
    release_id: str = ""
    since: datetime | None = None
    detail: str = ""
    ports: tuple[str, ...] = ()


class Observed(msgspec.Struct, frozen=True):
    """What runs now. `fingerprint` changes whenever something that a plan relies on does.

    `ports` are host ports held by somebody else (`0.0.0.0:8080/tcp`), with the holder in words;
    `definitions` the definitions that services were brought up with, where they are known.
    """

    services: dict[str, ObservedService]
    fingerprint: str
    warnings: tuple[str, ...] = ()
    ports: dict[str, str] = {}
    definitions: dict[str, dict[str, Any]] = {}


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    RUN = "run"
    KEEP = "keep"


class Change(msgspec.Struct, frozen=True):
    """What happens to one service and why; `diff` are lines that start with +, - or a space."""

    service: str
    action: Action
    why: str
    image: str = ""
    diff: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """What would change on one target. It holds only while the target's fingerprint is this one."""

    target: str
    desired: Desired
    changes: tuple[Change, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return any(c.action not in (Action.KEEP, Action.RUN) for c in self.changes)


class Rollout(msgspec.Struct, frozen=True):
    """A plan that was applied. `handle` is the target's own name for it, as an ECS deployment's."""

    plan: Plan
    started: float  # time.monotonic()
    handle: str = ""


class Leftover(msgspec.Struct, frozen=True):
    """Something of ours on a target that nothing needs any more. `id` is the target's own."""

    id: str
    name: str
    why: str


class Finding(msgspec.Struct, frozen=True):
    """A line of `shipit check`: an `error` would stop a deploy, a `warning` would not."""

    level: str  # "ok", "warning", "error"
    subject: str
    what: str
    next_step: str = ""
