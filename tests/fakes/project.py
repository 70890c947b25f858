"""A project in memory: the runbooks on fake targets and a real ledger, without a disk to wait for.

project = FakeProject(tmp_path, environment("dev"), environment("qa", after="dev"))
release = project.release("a", services=("web",), before=("migrate",))
ran = run(deploy(project, Request("dev")))
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from shipit.delivery.project import Project, Registries
from shipit.delivery.request import Step
from shipit.ledger import Ledger
from shipit.ledger.store import Store, open_store
from shipit.model.digest import Digest
from shipit.model.events import Commit, Event, ReleaseCreated
from shipit.model.image import Image
from shipit.model.pipeline import (
    DockerTarget,
    Environment,
    Gates,
    Pipeline,
    Strategy,
    TargetSettings,
    Verification,
)
from shipit.model.progress import Progress
from shipit.model.release import RESOLVED, Release, ReleaseImage, ReleaseSummary, Source, summarize
from shipit.model.state import EnvironmentState
from shipit.registry.client import Client
from shipit.registry.copying import Copied
from shipit.registry.manifests import Descriptor
from shipit.registry.transfers import Report
from shipit.targets.interface import Target
from tests.fakes.target import FakeTarget

HOME = "127.0.0.1:5000/shop"
R = TypeVar("R")
E = TypeVar("E", bound=BaseException)


class Repositories:
    """What the runbooks ask of a registry client. `missing` are the sentences of `verify`, by the
    image's reference; `errors` are raised by a method, by its name, the next time it is called."""

    def __init__(self) -> None:
        self.missing: dict[str, list[str]] = {}
        self.errors: dict[str, Exception] = {}
        self.copied: list[tuple[str, str]] = []
        self.tagged: dict[str, Digest] = {}

    def verify(self, image: Image) -> list[str]:
        self._called("verify")
        return self.missing.get(image.reference, [])

    def copy(self, image: Image, repository: str, *, whole: bool, on_progress: Report) -> Copied:
        self._called("copy")
        self.copied.append((image.reference, repository))
        return Copied(image.at(repository), manifests=1)

    def head_manifest(self, repository: str, reference: Digest | str) -> Descriptor | None:
        """A digest is there, unless it is missing; a tag when it was written."""
        self._called("head_manifest")
        if isinstance(reference, str):
            found = self.tagged.get(f"{repository}:{reference}")
        else:
            found = None if f"{repository}@{reference}" in self.missing else reference
        return Descriptor("", found, 0) if found else None

    def tag(self, image: Image, tag: str, *, move: bool = False) -> bool:
        self._called("tag")
        named = f"{image.repository}:{tag}"
        changed = self.tagged.get(named) != image.digest
        self.tagged[named] = image.digest
        return changed

    def tags(self, repository: str) -> list[str]:
        return [n.rpartition(":")[2] for n in self.tagged if n.rpartition(":")[0] == repository]

    def delete_manifest(self, repository: str, reference: str) -> bool:
        self._called("delete_manifest")
        return self.tagged.pop(f"{repository}:{reference}", None) is not None

    def _called(self, method: str) -> None:
        if method in self.errors:
            raise self.errors.pop(method)


def environment(
    name: str,
    after: str | None = None,
    *,
    gates: Gates | None = None,
    verify: Sequence[Verification] = (),
    registry: str = "",
    targets: Sequence[str] = ("default",),
    strategy: Strategy | None = None,
) -> Environment:
    return Environment(
        name=name,
        after=after,
        targets={target: TargetSettings(docker=DockerTarget()) for target in targets},
        registry=registry,
        gates=gates or Gates(),
        strategy=strategy or Strategy(),
        verify=tuple(verify),
        source=None,
        stack={},
        deadline="5m",
    )


class FakeProject(Project):
    """`fakes` are the targets, by environment and name; `repositories` the registry client."""

    def __init__(self, root: Path, *environments: Environment, store: Store | None = None) -> None:
        named = {e.name: e for e in environments or (environment("dev"),)}
        super().__init__(Pipeline("shop", str(root), "shipit.yaml", "", "", named))
        self.store = store or open_store("memory://", root)
        self.ledger = Ledger(self.store)
        self.fakes = {e.name: {t: FakeTarget(t) for t in e.targets} for e in named.values()}
        self.repositories = Repositories()

    def again(self, *environments: Environment) -> Self:
        """The same project as another process sees it: its own ledger over the same objects. With
        these environments, when some are given."""
        known = environments or tuple(self.pipeline.environments.values())
        other = type(self)(self.root, *known, store=self.store)
        other.fakes |= self.fakes
        other.repositories = self.repositories
        return other

    def targets(self, environment: Environment) -> dict[str, Target]:
        return dict(self.fakes[environment.name])

    @contextmanager
    def registries(self) -> Iterator[Registries]:
        yield Registries(cast("Client", self.repositories), HOME, embedded=True)

    def target(self, environment: str = "dev", name: str = "default") -> FakeTarget:
        return self.fakes[environment][name]

    def state(self, environment: str = "dev") -> EnvironmentState:
        """As the log has it: nothing that this process remembers is believed."""
        return Ledger(self.store).read().environment(environment)

    def say(self, *events: Event) -> Commit:
        commit = self.ledger.commit(lambda _: events)
        assert commit is not None
        return commit

    def release(self, name: str, **more: Any) -> ReleaseSummary:
        """On record, a minute younger than the one before."""
        count = len(self.ledger.read().releases)
        made = make_release(name, tuple(self.pipeline.environments), minute=count, **more)
        self.ledger.put_release(made)
        self.say(ReleaseCreated(release=summarize(made)))
        return summarize(made)


def make_release(
    name: str,
    environments: Sequence[str] = ("dev",),
    *,
    services: Sequence[str] = ("web",),
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    settings: dict[str, str] | None = None,
    resolved: Sequence[str] = (),
    commit: str = "",
    minute: int = 0,
    needs: dict[str, Sequence[str]] | None = None,
    replicas: dict[str, int] | None = None,
    scheduled: Sequence[str] = (),
) -> Release:
    """`settings` are the variables of every service; `resolved` are the services whose image was
    found and not built; `needs` is what a service depends on; `scheduled` run every hour."""
    needs, replicas = needs or {}, replicas or {}
    run = {
        **{name: {"run": "before"} for name in before},
        **{name: {"run": "after"} for name in after},
        **{name: {"schedule": "rate(1 hour)"} for name in scheduled},
    }
    images = {
        service: ReleaseImage(
            Image(f"{HOME}/{service}", Digest.of(f"{service} of {name}".encode())),
            *([RESOLVED] if service in resolved else []),
        )
        for service in (*services, *run)
    }
    rendered = {
        service: {
            "image": found.image.reference,
            "environment": settings or {},
            **({"depends_on": {name: {} for name in needs[service]}} if service in needs else {}),
            **({"deploy": {"replicas": replicas[service]}} if service in replicas else {}),
            **({"x-shipit": run[service]} if service in run else {}),
        }
        for service, found in images.items()
    }
    return Release(
        id=name,
        app="shop",
        created_at=datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minute),
        created_by="ada",
        source=Source(commit=commit or Digest.of(name.encode()).hex[:40]),
        images=images,
        environments={e: {"name": f"shop-{e}", "services": rendered} for e in environments},
    )


def run(work: Generator[Step, None, R]) -> R:
    """To its end; its result."""
    return _followed(work, [])


def told(work: Generator[Step, None, R]) -> tuple[list[Progress], R]:
    """What it said, and its result."""
    said: list[Progress] = []
    return said, _followed(work, said)


def fails(work: Generator[Step, None, Any], kind: type[E]) -> tuple[list[Progress], E]:
    """What it said, and the error that it ended in."""
    said: list[Progress] = []
    try:
        _followed(work, said)
    except kind as error:
        return said, error
    raise AssertionError(f"it ended well, and not with {kind.__name__}")


def _followed(work: Generator[Step, None, R], said: list[Progress]) -> R:
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            result: R = end.value
            return result
        assert isinstance(step, Progress)
        said.append(step)
