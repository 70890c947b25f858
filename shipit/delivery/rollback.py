"""The runbook of a rollback: back to a release that was proven here, and a hold."""

from shipit.delivery import choose
from shipit.delivery.deploy import Delivery, deploy
from shipit.delivery.project import Project
from shipit.delivery.request import Request
from shipit.errors import UsageError
from shipit.model.events import Kind
from shipit.model.release import ReleaseSummary
from shipit.model.state import EnvironmentState, State


def rollback(project: Project, environment: str, *, to: str = "", reason: str = "") -> Delivery:
    """To `to`, or to what ran before. The hold is set with the start, so that nothing goes forward
    again by itself, even when the rollback is killed.

    Raises UsageError when there is nothing to go back to, or `to` never ran here.
    """
    project.environment(environment)
    release = _aim(project.ledger.read(), environment, to)
    request = Request(
        environment=environment, release=str(release.digest), kind=Kind.ROLLBACK, reason=reason
    )
    return (yield from deploy(project, request))


def _aim(state: State, environment: str, to: str) -> ReleaseSummary:
    env = state.environment(environment)
    if to:
        release = choose.by_name(state, to)
        if str(release.digest) not in ran(env):
            raise UsageError(
                f"{release.id} never ran in {environment}",
                "a rollback goes back to what was proven there",
                f"`shipit history --env {environment}` shows what was",
            )
        return release
    older = before(state, env)
    if older is None:
        raise UsageError(
            f"nothing ran in {environment} before what runs now",
            next_step="name a release with --to",
        )
    return older


def ran(env: EnvironmentState) -> set[str]:
    """What was ever proven here, as far as the state goes back: also what was left on purpose,
    which a person may name again."""
    known = {str(d.release) for d in (env.current, env.previous) if d} | set(env.proven)
    return known | {str(r.release) for r in env.recent if r.outcome == "succeeded"}


def before(state: State, env: EnvironmentState) -> ReleaseSummary | None:
    """The newest proven release that is older than what runs. Not simply the one that ran last:
    after a rollback that is the release which was left on purpose."""
    current = state.release(env.current.release) if env.current else None
    if current is None:
        return state.release(env.previous.release) if env.previous else None
    older = (
        r
        for r in state.releases
        if str(r.digest) in env.proven and r.created_at < current.created_at
    )
    return max(older, key=lambda r: r.created_at, default=None)
