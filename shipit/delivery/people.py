"""What people say: holds, approvals, rejections."""

from collections.abc import Callable

from shipit.delivery import choose
from shipit.delivery.project import Project
from shipit.errors import UsageError
from shipit.model.events import Event, HoldLifted, HoldSet, ReleaseApproved, ReleaseRejected
from shipit.model.release import ReleaseSummary


def freeze(project: Project, environment: str, reason: str) -> tuple[str, ...]:
    """Stop the line for one environment, or for all. Returns which were held."""
    names = _named(project, environment)
    _say(project, [HoldSet(environment=name, reason=reason) for name in names])
    return names


def unfreeze(project: Project, environment: str, reason: str) -> tuple[str, ...]:
    """Lift the hold, also one that a rollback set. Returns the environments that had one."""
    state = project.ledger.read()
    names = tuple(n for n in _named(project, environment) if state.environment(n).hold)
    _say(project, [HoldLifted(environment=name, reason=reason) for name in names])
    return names


def approve(project: Project, release: str, environment: str, comment: str) -> ReleaseSummary:
    return _decide(project, release, environment, comment, ReleaseApproved)


def reject(project: Project, release: str, environment: str, comment: str) -> ReleaseSummary:
    return _decide(project, release, environment, comment, ReleaseRejected)


def _decide(
    project: Project,
    release: str,
    environment: str,
    comment: str,
    kind: Callable[..., ReleaseApproved | ReleaseRejected],
) -> ReleaseSummary:
    project.environment(environment)
    found = choose.by_name(project.ledger.read(), release)
    _say(project, [kind(environment=environment, release=found.digest, comment=comment)])
    return found


def _named(project: Project, environment: str) -> tuple[str, ...]:
    if environment:
        return (project.environment(environment).name,)
    return tuple(project.pipeline.environments)


def _say(project: Project, events: list[Event]) -> None:
    if any(isinstance(e, HoldSet) and not e.reason.strip() for e in events):
        raise UsageError("a hold needs a reason", next_step="give one with --reason")
    project.ledger.commit(lambda _: events)
