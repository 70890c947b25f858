"""A state told by events: each commit at its own time, by its own person."""

from datetime import UTC, datetime, timedelta

from shipit.model.digest import Digest
from shipit.model.events import (
    Actor,
    Commit,
    DeploymentStarted,
    DeploymentSucceeded,
    Event,
    Kind,
    ReleaseCreated,
)
from shipit.model.release import ReleaseSummary, summarize
from shipit.model.state import State, fold
from tests.fakes.project import make_release

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)  # a Tuesday


class Story:
    """`state` is what came of it so far; `now` the time of the next commit, a minute further on."""

    def __init__(self) -> None:
        self.state = State()
        self.now = NOON

    def tell(self, *events: Event, by: str = "ada") -> State:
        number = self.state.number + 1
        self.state = fold(self.state, Commit(number, self.now, Actor(by), events))
        self.now += timedelta(minutes=1)
        return self.state

    def release(self, name: str) -> ReleaseSummary:
        made = summarize(make_release(name, minute=len(self.state.releases)))
        self.tell(ReleaseCreated(release=made))
        return made

    def start(self, release: ReleaseSummary, environment: str, kind: Kind = Kind.DEPLOY) -> int:
        """The token."""
        self.tell(
            DeploymentStarted(
                environment=environment, release=release.digest, release_id=release.id, kind=kind
            )
        )
        return self.state.number

    def deploy(
        self, release: ReleaseSummary, environment: str, kind: Kind = Kind.DEPLOY
    ) -> datetime:
        """Started and proven; returns when it was proven."""
        token = self.start(release, environment, kind)
        proven: dict[str, dict[str, Digest]] = {"default": dict(release.images)}
        when = self.now
        self.tell(DeploymentSucceeded(environment=environment, token=token, proven=proven))
        return when
