"""A shop with four environments, and short ways to say what the ledger records of it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from shipit.model.digest import Digest
from shipit.model.events import Actor, Kind
from shipit.model.pipeline import Environment, Gates, Pipeline, Strategy
from shipit.model.progress import Reason
from shipit.model.release import ReleaseSummary, Source
from shipit.model.state import Active, Deployed, EnvironmentState, Hold, State

NAMES = ("dev", "qa", "staging", "production")


class Shop:
    """Names stand for what they are the digest of."""

    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    ana = Actor("ana", "laptop", 12)

    def digest(self, text: str) -> Digest:
        return Digest.of(text.encode())

    def pipeline(self, names: tuple[str, ...] = NAMES) -> Pipeline:
        environments = {
            name: Environment(
                name, before, {}, "", Gates(), Strategy(), (), None, {}, deadline="5m"
            )
            for name, before in zip(names, (None, *names), strict=False)
        }
        return Pipeline("shop", "/shop", "shipit.yaml", "", "", environments)

    def release(self, name: str, minutes: int = 3, **images: str) -> ReleaseSummary:
        return ReleaseSummary(
            id=name,
            digest=self.digest(name),
            created_at=self.now - timedelta(minutes=minutes),
            created_by="ana",
            source=Source(subject="Faster checkout"),
            images={service: self.digest(text) for service, text in images.items()},
        )

    def deployed(
        self, name: str, minutes: int = 5, *, healthy: bool = True, note: str = "", **services: str
    ) -> Deployed:
        at = self.now - timedelta(minutes=minutes)
        digests = {service: self.digest(text) for service, text in services.items()}
        return Deployed(self.digest(name), name, 1, at, digests, healthy, at, note)

    def running(
        self, name: str, minutes: int = 5, *, healthy: bool = True, note: str = "", **services: str
    ) -> EnvironmentState:
        current = self.deployed(name, minutes, healthy=healthy, note=note, **services)
        return EnvironmentState(current=current)

    def active(self, name: str, seconds: int = 12, rolling_back: tuple[Reason, ...] = ()) -> Active:
        return Active(
            environment="",
            token=7,
            release=self.digest(name),
            release_id=name,
            kind=Kind.PROMOTE,
            started_at=self.now - timedelta(seconds=seconds),
            owner=self.ana,
            ttl=30.0,
            rolling_back=rolling_back,
        )

    def hold(self, reason: str = "r2 was rolled back") -> Hold:
        return Hold(reason, self.ana, self.now)

    def state(
        self, releases: Iterable[ReleaseSummary] = (), **environments: EnvironmentState
    ) -> State:
        return State(number=42, releases=tuple(releases), environments=environments)
