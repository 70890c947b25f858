"""Not proven: the environment goes back to the release it had, and is held."""

from collections.abc import Iterator, Sequence
from typing import NoReturn

from msgspec.structs import replace

from shipit.delivery import planning, stages
from shipit.delivery.desired import desire
from shipit.delivery.request import Step
from shipit.delivery.work import TargetFailedError, Work, refusals_undone
from shipit.errors import DeploymentFailedError, RolledBackError
from shipit.model.events import (
    DeploymentFailed,
    DeploymentRolledBack,
    HoldSet,
    Kind,
    RollbackStarted,
)
from shipit.model.progress import Mark, Reason, Stage
from shipit.model.state import Deployed


def roll_back(work: Work, reasons: Sequence[Reason]) -> Iterator[Step]:
    """Never returns: RolledBackError when the environment is back, DeploymentFailedError when there
    was nothing to go back to or that failed too."""
    yield from _announce(work, reasons)
    if not work.lease.rolling_back:
        work.commit(
            RollbackStarted(
                environment=work.environment.name, token=work.lease.token, reasons=tuple(reasons)
            )
        )
    before = work.before
    if before is None:
        try:
            with refusals_undone():
                yield from stages.remove_what_came(replace(work, back=True))
        except TargetFailedError as error:
            _fail(work, [*reasons, *error.reasons], "removing what came failed too", hold=False)
        _fail(work, reasons, "nothing ran there before, so what came was removed", hold=False)
    if before.release == work.desired.release or work.lease.kind is Kind.ROLLBACK:
        _fail(work, reasons, "it stays as it is: there is no other release to go back to by itself")
    try:
        with refusals_undone():
            yield from _restore(work, before)
    except TargetFailedError as error:
        yield from _announce(replace(work, back=True), error.reasons)
        _fail(work, [*reasons, *error.reasons], f"going back to {before.release_id} failed too")
    _record(work, before, reasons)


def _announce(work: Work, reasons: Sequence[Reason]) -> Iterator[Step]:
    for reason in reasons:
        yield work.say(
            Stage.PROVE, Mark.FAILED, reason.what, subject=reason.subject, logs=reason.logs
        )


def _restore(work: Work, before: Deployed) -> Iterator[Step]:
    """The whole of the previous release's state, not only its images."""
    release = work.project.ledger.get_release(before.release)
    desired = replace(desire(release, work.environment, work.registries), back=True)
    back = replace(work, release=release, desired=desired, back=True)
    yield back.say(Stage.ROLLBACK, Mark.RUNNING, f"going back to {before.release_id}")
    observed = planning.observe(work.targets)
    plans = planning.make_plans(work.environment, work.targets, desired, observed)
    for name, plan in plans.items():
        yield from stages.roll_out(back, name, plan)


def _record(work: Work, before: Deployed, reasons: Sequence[Reason]) -> NoReturn:
    name = work.environment.name
    why = f"{work.release.id} was rolled back: {reasons[0]}"
    work.commit(
        DeploymentRolledBack(
            environment=name,
            token=work.lease.token,
            reasons=tuple(reasons),
            to=before.release,
        ),
        HoldSet(environment=name, reason=why),
    )
    raise RolledBackError(
        f"{work.release.id} failed in {name}, which is back on {before.release_id}",
        "\n".join(str(r) for r in reasons),
        f"{name} is held; when it is mended: `shipit unfreeze {name}`",
    )


def _fail(work: Work, reasons: Sequence[Reason], also: str, *, hold: bool = True) -> NoReturn:
    name = work.environment.name
    failed = DeploymentFailed(environment=name, token=work.lease.token, reasons=tuple(reasons))
    held = HoldSet(environment=name, reason=f"{work.release.id} failed: {reasons[0]}")
    work.commit(failed, *([held] if hold else []))
    raise DeploymentFailedError(
        f"{work.release.id} failed in {name}; {also}",
        "\n".join(str(r) for r in reasons),
        f"{name} is held; when it is mended: `shipit unfreeze {name}`"
        if hold
        else "mend it and deploy again",
    )
