"""Short ways to say the ledger's events in a test."""

from collections.abc import Sequence

from shipit.ledger import Ledger
from shipit.model.digest import Digest
from shipit.model.events import (
    Actor,
    Commit,
    DeploymentStarted,
    DeploymentSucceeded,
    Event,
    HoldSet,
    StageFinished,
)
from shipit.model.progress import Stage
from shipit.model.state import Active, State

ANNA = Actor("anna", host="build-7", pid=4242, run="https://ci.example/run/7")
RELEASE = Digest.of(b"a release")


def held(environment: str, reason: str = "a reason") -> HoldSet:
    return HoldSet(environment=environment, reason=reason)


def started(environment: str = "dev", ttl: float = 30.0) -> DeploymentStarted:
    return DeploymentStarted(environment=environment, release=RELEASE, release_id="r1", ttl=ttl)


def stage(token: int, environment: str = "dev") -> StageFinished:
    return StageFinished(environment=environment, token=token, stage=Stage.COPY)


def succeeded(token: int, environment: str = "dev") -> DeploymentSucceeded:
    proven = {"default": {"web": Digest.of(b"an image")}}
    return DeploymentSucceeded(environment=environment, token=token, proven=proven)


def commit(ledger: Ledger, *events: Event, by: Actor = ANNA) -> Commit:
    """These events whatever the state is."""

    def decide(_: State) -> Sequence[Event]:
        return events

    done = ledger.commit(decide, by=by)
    assert done is not None
    return done


def active(ledger: Ledger, environment: str = "dev") -> Active:
    found = ledger.read().environment(environment).active
    assert found is not None
    return found
