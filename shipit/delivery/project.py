"""A project on this machine: its pipeline, its ledger, its targets and its way to the registry."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from shipit.config import file
from shipit.errors import UnknownNameError, did_you_mean
from shipit.model.pipeline import Environment, Pipeline, TargetSettings
from shipit.targets import kinds

if TYPE_CHECKING:  # both pull in what `shipit --help` has no time for
    from shipit.ledger.ledger import Ledger
    from shipit.registry.client import Client
    from shipit.targets.interface import Target


class Registries(msgspec.Struct, frozen=True):
    """The way to registries. `home` is the prefix under which this project's images are pushed;
    `embedded` says that it is the embedded registry, whose address is this machine's own matter."""

    client: "Client"
    home: str
    embedded: bool


class Project:
    """Everything is opened at first use, so that a command pays only for what it needs."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    @classmethod
    def open(cls, path: Path | None = None) -> Self:
        """From this shipit.yaml, or the one in the current folder or above it."""
        return cls(file.load(path or file.find(Path.cwd())))

    @property
    def root(self) -> Path:
        return Path(self.pipeline.root)

    @cached_property
    def ledger(self) -> "Ledger":
        from shipit.ledger.ledger import Ledger

        return Ledger.open(self.pipeline.ledger, root=self.root)

    def environment(self, name: str) -> Environment:
        """Raises UnknownNameError, with the nearest name."""
        found = self.pipeline.environments.get(name)
        if found is None:
            raise unknown("environment", name, self.pipeline.environments)
        return found

    def targets(self, environment: Environment) -> "dict[str, Target]":
        return {
            name: kinds.build(
                name,
                self.with_outputs(settings, environment.name),
                environment=environment.name,
                app=self.pipeline.app,
                root=self.pipeline.root,
            )
            for name, settings in environment.targets.items()
        }

    def with_outputs(self, settings: TargetSettings, environment: str) -> TargetSettings:
        """What a target leaves out is what its stack's outputs say, as the ledger keeps them.

        Raises PreconditionError for a stack that was not provisioned yet.
        """
        stack = getattr(settings.settings, "stack", "")
        if not stack:
            return settings
        from shipit.delivery.outputs import filled

        return filled(settings, stack, environment, self.ledger.read())

    @contextmanager
    def registries(self) -> Iterator[Registries]:
        """The registry client; the embedded registry answers for as long as this is open."""
        from shipit.registry.client import Client

        if self.pipeline.registry:
            with Client() as client:
                yield Registries(client, self.pipeline.registry, embedded=False)
            return
        from shipit.registry.embedded.server import EmbeddedRegistry

        with EmbeddedRegistry(self.root / ".shipit" / "registry") as embedded, Client() as client:
            home = f"{embedded.address}/{self.pipeline.app}"
            yield Registries(client, home, embedded=True)


def unknown(noun: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """There is no such name; the nearest one is said, and what there is."""
    names = list(known)
    return UnknownNameError(
        f"no {noun} is called {name!r}{did_you_mean(name, names)}",
        next_step=f"there is: {', '.join(names) or 'none yet'}",
    )
