"""What a rollout is called in ECS: each service's deployment, in the text of `Rollout.handle`."""

from collections.abc import Iterable
from datetime import datetime
from typing import Self

import msgspec

from shipit.targets.ecs.apply import Applied
from shipit.targets.ecs.survey import Live


class Handle(msgspec.Struct, frozen=True, omit_defaults=True):
    """By group: the deployment's id, ECS's time of it, and what ECS refused, in words."""

    deployments: dict[str, str] = {}
    times: dict[str, datetime] = {}
    refused: dict[str, str] = {}
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, lives: Iterable[Live]) -> Self:
        """Of what is there: for services that do not change."""
        found = [live for live in lives if live.primary]
        return cls(
            {live.group: str(live.primary["id"]) for live in found},
            {live.group: live.primary["createdAt"] for live in found},
        )

    def after(self, done: Applied) -> "Handle":
        return Handle(
            {**self.deployments, **done.deployments},
            {**self.times, **done.times},
            done.refused,
            done.notes,
        )

    @classmethod
    def read(cls, text: str) -> Self:
        return msgspec.json.decode(text, type=cls)

    def written(self) -> str:
        return msgspec.json.encode(self).decode()
