"""Order: a build that finishes late does not replace a newer one by accident."""

from datetime import datetime

from shipit.model.pipeline import Environment
from shipit.model.release import ReleaseSummary
from shipit.model.state import State
from shipit.policy.verdict import Allowed, Held, Verdict

GATE = "order"


def not_older(
    release: ReleaseSummary, environment: Environment, state: State, _: datetime
) -> Verdict:
    current = state.environment(environment.name).current
    running = state.release(current.release) if current else None
    if running is None or running.created_at <= release.created_at:
        return Allowed(GATE, "not older than what runs")
    return Held(
        GATE,
        f"{release.id} is older than {running.id}, which runs in {environment.name}",
        f"a step back is a rollback: `shipit rollback --env {environment.name} --to {release.id}`",
    )
