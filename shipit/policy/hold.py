"""Hold: a rollback or a person stopped the line for an environment."""

from datetime import datetime

from shipit.model.pipeline import Environment
from shipit.model.release import ReleaseSummary
from shipit.model.state import State
from shipit.policy.verdict import Allowed, Held, Verdict

GATE = "hold"


def not_held(
    release: ReleaseSummary, environment: Environment, state: State, _: datetime
) -> Verdict:
    """What runs already may be brought up again: that changes nothing."""
    env = state.environment(environment.name)
    if env.hold is None:
        return Allowed(GATE, "no hold")
    if env.current and env.current.release == release.digest:
        return Allowed(GATE, f"held, but {release.id} is what runs")
    return Held(
        GATE,
        f"{environment.name} is held by {env.hold.by.name} since "
        f"{env.hold.at:%Y-%m-%d %H:%M} UTC: {env.hold.reason}",
        f"lift it with `shipit unfreeze {environment.name}`",
    )
