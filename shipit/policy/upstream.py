"""Verified upstream: a release enters only after it succeeded in the environment before."""

from datetime import datetime

from shipit.model.pipeline import Environment
from shipit.model.release import ReleaseSummary
from shipit.model.state import State
from shipit.policy.verdict import Allowed, Held, Verdict

GATE = "verified upstream"


def verified_upstream(
    release: ReleaseSummary, environment: Environment, state: State, _: datetime
) -> Verdict:
    if environment.after is None:
        return Allowed(GATE, f"{environment.name} is the first environment")
    upstream = state.environment(environment.after)
    current = upstream.current
    if current and current.release == release.digest and not current.healthy:
        return Held(
            GATE,
            f"{release.id} runs in {environment.after} but is not healthy there: {current.note}",
            f"mend it and run `shipit verify --env {environment.after}`",
        )
    since = upstream.proven.get(str(release.digest))
    if since is None:
        return Held(
            GATE,
            f"{release.id} has not succeeded in {environment.after}",
            f"run `shipit deploy --env {environment.after} --release {release.id}` first",
        )
    return Allowed(GATE, f"proven in {environment.after} since {since:%Y-%m-%d %H:%M} UTC")
