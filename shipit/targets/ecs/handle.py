"""What a rollout is called in ECS: each service's deployment, in the text of `Rollout.handle`."""

from collections.abc import Iterable
from datetime import datetime
from typing import Self

import msgspec

from shipit.targets.ecs.apply import Applied
from shipit.targets.ecs.scheduling import Written
from shipit.targets.ecs.survey import Live
from shipit.targets.ecs.timetable import Entry


class Handle(msgspec.Struct, frozen=True, omit_defaults=True):
    """By group: the deployment's id, ECS's time of it, and what ECS refused, in words. By scheduled
    service: what was written of its schedule."""

    deployments: dict[str, str] = {}
    times: dict[str, datetime] = {}
    refused: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    schedules: Written = Written({}, {})

    @classmethod
    def of(cls, lives: Iterable[Live], entries: Iterable[Entry] = ()) -> Self:
        """Of what is there: for what does not change."""
        found = [live for live in lives if live.primary]
        return cls(
            {live.group: str(live.primary["id"]) for live in found},
            {live.group: live.primary["createdAt"] for live in found},
            schedules=Written({entry.service: entry.revision for entry in entries}, {}),
        )

    def after(self, done: Applied, written: Written) -> "Handle":
        return Handle(
            {**self.deployments, **done.deployments},
            {**self.times, **done.times},
            done.refused,
            done.notes,
            written,
        )

    @classmethod
    def read(cls, text: str) -> Self:
        return msgspec.json.decode(text, type=cls)

    def written(self) -> str:
        return msgspec.json.encode(self).decode()
