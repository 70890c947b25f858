"""The runbook of a deployment: a release enters an environment, is proven there, or is undone."""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from msgspec.structs import replace

from shipit.delivery import groundwork, planning, stages
from shipit.delivery.desired import desire
from shipit.delivery.keeping import keep
from shipit.delivery.lease import clear_the_way, refuse_if_leased, refuse_if_taken_up
from shipit.delivery.project import Project
from shipit.delivery.request import Request, Result, Step
from shipit.delivery.undo import roll_back
from shipit.delivery.work import (
    Stop,
    SupersededHereError,
    TargetFailedError,
    Work,
    refusals_undone,
    stop_signals,
)
from shipit.errors import (
    DeploymentFailedError,
    HeldError,
    RolledBackError,
    ShipitError,
    SupersededError,
    UsageError,
)
from shipit.model.deployment import Plan
from shipit.model.digest import Digest
from shipit.model.events import (
    DeploymentFailed,
    DeploymentStarted,
    DeploymentSucceeded,
    DeploymentSuperseded,
    Event,
    HoldSet,
    Kind,
)
from shipit.model.pipeline import Environment
from shipit.model.progress import Mark, Progress, Reason, Stage
from shipit.model.release import ReleaseSummary
from shipit.model.state import Active, State, fold
from shipit.policy.gates import ask_gates, holding

Delivery = Generator[Step, None, Result]


def deploy(project: Project, request: Request) -> Delivery:
    """Through the gates, onto the targets, proven, recorded.

    Raises HeldError, LeasedError, PreconditionError (nothing changed), DeploymentFailedError,
    RolledBackError, SupersededError; RemoteError and KeyboardInterrupt leave an interrupted
    deployment that `resume` takes up again.
    """
    state = yield from clear_the_way(project, project.environment(request.environment).name)
    left = state.environment(request.environment).interrupted
    if left and (left.rolling_back or left.kind is Kind.ROLLBACK):
        yield from take_up(project, left)  # the way back is finished before anything new
        state = project.ledger.read()
        left = None
    summary = planning.chosen(project, state, request)
    if request.kind is not Kind.ROLLBACK:
        yield from _pass_gates(project, request, summary, state)
    forward = request.kind is not Kind.ROLLBACK  # deploy and promote are one thing said two ways
    same = left if left and forward and left.release == summary.digest else None
    return (yield from _enter(project, request, summary, same))


def take_up(project: Project, left: Active) -> Delivery:
    """An interrupted deployment goes on: it was let in, so no gate is asked again."""
    request = Request(environment=left.environment, release=str(left.release), kind=left.kind)
    summary = planning.chosen(project, project.ledger.read(), request)
    return (yield from _enter(project, request, summary, left))


def _pass_gates(
    project: Project, request: Request, release: ReleaseSummary, state: State
) -> Iterator[Step]:
    environment = project.environment(request.environment)
    held = _held(request, release, environment, state)
    now = datetime.now(UTC)
    if held is not None:
        raise held
    yield Progress(
        stage=Stage.GATES,
        mark=Mark.DONE,
        environment=environment.name,
        message=f"{release.id} may enter",
        at=now,
    )


def _held(
    request: Request, release: ReleaseSummary, environment: Environment, state: State
) -> HeldError | None:
    verdicts = ask_gates(release, environment, state, datetime.now(UTC))
    held = holding(verdicts, override=request.override)
    if not held:
        return None
    return HeldError(
        f"{release.id} may not enter {environment.name}: {held[0].reason}",
        "\n".join(v.reason for v in held[1:]),
        "; ".join(v.how_to_pass for v in held),
    )


def _enter(
    project: Project, request: Request, summary: ReleaseSummary, left: Active | None
) -> Delivery:
    began = time.monotonic()
    environment = project.environment(request.environment)
    release = project.ledger.get_release(summary.digest)
    targets = project.targets(environment)
    with project.registries() as registries, stop_signals() as stop:
        back = request.kind is Kind.ROLLBACK
        desired = replace(desire(release, environment, registries), back=back)
        plans: dict[str, Plan] = {}
        if not (left and left.rolling_back):
            plans = planning.make_plans(environment, targets, desired, planning.observe(targets))
        if request.plan:
            planning.check_saved(request.plan, project.ledger.read(), plans)
        stop.wait()
        lease, state = _take_lease(project, request, summary, left)
        work = Work(
            project=project,
            environment=environment,
            release=release,
            desired=desired,
            targets=targets,
            registries=registries,
            lease=lease,
            before=state.environment(environment.name).current,
        )
        proven = yield from _held_alive(work, plans, stop)
    return Result(
        environment=environment.name,
        release=summary.digest,
        release_id=summary.id,
        kind=request.kind,
        token=lease.token,
        proven=proven,
        changed=any(plan.changed for plan in plans.values()),
        seconds=round(time.monotonic() - began, 3),
    )


def _take_lease(
    project: Project, request: Request, release: ReleaseSummary, left: Active | None
) -> tuple[Active, State]:
    """One commit: nobody else is at work, the gates still hold open, and now it is ours."""
    from shipit.ledger.lease import lease_ttl

    environment = project.environment(request.environment)
    seen: list[State] = []

    def decide(state: State) -> list[Event]:
        seen[:] = [state]
        refuse_if_leased(state, environment.name)
        refuse_if_taken_up(state, environment.name, left)
        if request.kind is not Kind.ROLLBACK and left is None:
            held = _held(request, release, environment, state)
            if held is not None:
                raise held
        started = DeploymentStarted(
            environment=environment.name,
            release=release.digest,
            release_id=release.id,
            kind=request.kind,
            ttl=lease_ttl(),
            resumes=left.token if left else 0,
            override=request.override,
        )
        if request.kind is Kind.ROLLBACK and left is None:
            reason = request.reason or f"rolled back to {release.id}"
            return [started, HoldSet(environment=environment.name, reason=reason)]
        return [started]

    commit = project.ledger.commit(decide)
    if commit is None:  # decide() always gives an event
        raise ShipitError("the lease was not recorded")
    active = fold(seen[0], commit).environment(environment.name).active
    if active is None:  # refused events raise in commit()
        raise ShipitError("the lease was not granted")
    return active, seen[0]


def _held_alive(
    work: Work, plans: Mapping[str, Plan], stop: Stop
) -> Generator[Step, None, dict[str, dict[str, Digest]]]:
    """Everything under the lease, with a heartbeat, and a record of however it ends."""
    from shipit.ledger.lease import Heartbeat

    lease = work.lease
    with Heartbeat(work.project.ledger, lease.environment, lease.token, ttl=lease.ttl):
        try:
            stop.go_on()
            yield work.say(Stage.LEASE, Mark.DONE, f"deployment {work.lease.token}")
            return (yield from _carry_out(work, plans))
        except (DeploymentFailedError, RolledBackError, SupersededError):
            raise  # on record already
        except SupersededHereError as error:
            raise _superseded(work, error.by) from None
        except UsageError as error:
            _unchanged(work, (Reason("", error.what),))
            raise
        except ShipitError as error:
            work.interrupted(error.what)
            error.next_step = error.next_step or "run `shipit resume` to finish it"
            raise
        except BaseException as error:
            work.interrupted(f"ended by {type(error).__name__}")
            raise


def _superseded(work: Work, by: str) -> SupersededError:
    name = work.environment.name
    work.commit(DeploymentSuperseded(environment=name, token=work.lease.token, by=by))
    return SupersededError(
        f"{work.release.id} was superseded in {name} by {by}",
        next_step="`shipit status` shows what runs now",
    )


def _carry_out(
    work: Work, plans: Mapping[str, Plan]
) -> Generator[Step, None, dict[str, dict[str, Digest]]]:
    """The stages, in order."""
    if work.lease.rolling_back:
        yield from roll_back(work, work.lease.rolling_back)
    changing = work.lease.changing
    proven: dict[str, dict[str, Digest]] = {}
    try:
        with refusals_undone(changing=changing):
            yield from stages.copy(work)
        if _tasks_are_due(work):
            with refusals_undone(changing=changing):
                ready = yield from groundwork.lay(work, plans)
            changing = changing or ready is not plans
            plans = ready
        with refusals_undone(changing=changing):
            yield from _before(work, changing=changing)
        for name, plan in plans.items():
            # A later target that refuses leaves the earlier ones changed.
            with refusals_undone(name, changing=changing or bool(proven)):
                proven[name] = yield from stages.roll_out(work, name, plan)
        with refusals_undone():
            yield from _after(work)
            yield from stages.verify(work)
    except TargetFailedError as error:
        yield from roll_back(work, error.reasons)
    work.commit(
        DeploymentSucceeded(
            environment=work.environment.name, token=work.lease.token, proven=proven
        )
    )
    yield from keep(work)
    yield work.say(Stage.RECORD, Mark.DONE, f"{work.release.id} runs in {work.environment.name}")
    return proven


def _tasks_are_due(work: Work) -> bool:
    """Tasks belong to the way forward: a release that runs already, or one that is gone back to,
    does not need them again."""
    runs_already = work.before is not None and work.before.release == work.desired.release
    return not runs_already and work.lease.kind is not Kind.ROLLBACK


def _before(work: Work, *, changing: bool) -> Iterator[Step]:
    """A task that fails ends the deployment with nothing changed, unless an interrupted deployment
    had changed something, or the task needed services that were not there."""
    if not work.desired.before:
        return
    if not _tasks_are_due(work):
        yield work.say(Stage.BEFORE, Mark.SKIPPED, "ran when this release first came here")
        return
    stages.require_images(work)
    try:
        yield from stages.tasks(work, Stage.BEFORE, work.desired.before)
    except TargetFailedError as error:
        if changing:
            raise
        _unchanged(work, error.reasons)
        for reason in error.reasons:
            yield work.say(
                Stage.BEFORE, Mark.FAILED, reason.what, subject=reason.subject, logs=reason.logs
            )
        raise DeploymentFailedError(
            f"{work.release.id} did not enter {work.environment.name}: {error.reasons[0]}",
            "a task that runs before failed, and nothing has changed",
            "mend it and deploy again",
        ) from None


def _after(work: Work) -> Iterator[Step]:
    if _tasks_are_due(work):
        yield from stages.tasks(work, Stage.AFTER, work.desired.after)


def _unchanged(work: Work, reasons: tuple[Reason, ...]) -> None:
    with suppress(ShipitError):
        work.commit(
            DeploymentFailed(
                environment=work.environment.name,
                token=work.lease.token,
                reasons=reasons,
                changed=False,
            )
        )
