"""A deployment under way: what its stages share."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import FrameType

import msgspec

from shipit.delivery.project import Project, Registries
from shipit.errors import ShipitError, UsageError
from shipit.model.deployment import Desired
from shipit.model.events import DeploymentInterrupted, Event, StageFinished
from shipit.model.pipeline import Environment
from shipit.model.progress import Mark, Progress, Reason, Stage
from shipit.model.release import Release
from shipit.model.state import Active, Deployed
from shipit.targets.interface import Target


class Work(msgspec.Struct, frozen=True):
    """`lease` is as it was when it was taken: what an interrupted deployment before it had
    finished is in it. `before` is what the environment had then; `back` says that the way leads
    there again."""

    project: Project
    environment: Environment
    release: Release
    desired: Desired
    targets: dict[str, Target]
    registries: Registries
    lease: Active
    before: Deployed | None
    back: bool = False

    def say(
        self,
        stage: Stage,
        mark: Mark,
        message: str = "",
        *,
        subject: str = "",
        target: str = "",
        logs: Sequence[str] = (),
    ) -> Progress:
        return Progress(
            stage=Stage.ROLLBACK if self.back else stage,
            mark=mark,
            subject=subject,
            message=message,
            environment=self.environment.name,
            target=target if len(self.targets) > 1 else "",
            logs=tuple(logs),
            at=datetime.now(UTC),
        )

    def commit(self, *events: Event) -> None:
        """Raises StaleTokenError when somebody else has taken the environment over."""
        self.project.ledger.commit(lambda _: events)

    def finish(
        self, stage: Stage, *, target: str = "", subject: str = "", detail: str = ""
    ) -> None:
        """Put it on record: this is also the fence, since an old token's record is refused."""
        self.commit(
            StageFinished(
                environment=self.environment.name,
                token=self.lease.token,
                stage=Stage.ROLLBACK if self.back else stage,
                target=target,
                subject=subject,
                detail=detail,
            )
        )

    def finished(self, stage: Stage, *, target: str = "", subject: str = "") -> bool:
        """Whether the deployment that this one takes up again had finished it."""
        return any(
            (f.stage, f.target, f.subject) == (stage, target, subject) for f in self.lease.finished
        )

    def interrupted(self, why: str) -> None:
        """Give the lease back unfinished. Where even that fails, its TTL ends it."""
        with suppress(ShipitError):
            self.commit(
                DeploymentInterrupted(
                    environment=self.environment.name, token=self.lease.token, why=why
                )
            )


class TargetFailedError(Exception):
    """Inside the runbooks: something was not proven. It ends in a rollback, never at the user."""

    def __init__(self, reasons: Sequence[Reason]) -> None:
        super().__init__("; ".join(str(r) for r in reasons))
        self.reasons = tuple(reasons)


@contextmanager
def refusals_undone(subject: str = "", *, changing: bool = True) -> Iterator[None]:
    """Where something has changed already, a refusal is a failure that has to be undone."""
    try:
        yield
    except UsageError as error:
        if not changing:
            raise
        what = f"{error.what}: {error.why}" if error.why else error.what
        raise TargetFailedError([Reason(subject, what)]) from error


class SupersededHereError(Exception):
    """Inside the runbooks: the target says that another deployment went past ours."""

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


class Stop:
    """What SIGINT and SIGTERM do: end the work at once, unless it asked them to wait.

    They wait from just before the commit that takes the lease until the block that gives it back:
    a lease would otherwise be left behind by a signal between the two.
    """

    def __init__(self) -> None:
        self._waits = False
        self._asked = False

    def wait(self) -> None:
        self._waits = True

    def go_on(self) -> None:
        """Raises KeyboardInterrupt for a signal that had to wait."""
        self._waits = False
        if self._asked:
            raise KeyboardInterrupt

    def asked(self, _: int, __: FrameType | None) -> None:
        if not self._waits:
            raise KeyboardInterrupt
        self._asked = True


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """SIGTERM ends the work as Ctrl-C does: at once, with the interruption on record."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, stop.asked) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
