"""Soak: a release must have run upstream for a while."""

from datetime import datetime

from shipit.model.duration import format_duration, parse_duration
from shipit.model.pipeline import Environment
from shipit.model.release import ReleaseSummary
from shipit.model.state import State
from shipit.policy.verdict import Allowed, Held, Verdict

GATE = "soak"


def soaked(
    release: ReleaseSummary, environment: Environment, state: State, now: datetime
) -> Verdict:
    if environment.gates.soak is None or environment.after is None:
        return Allowed(GATE, "none needed")
    needed = parse_duration(environment.gates.soak)
    since = state.environment(environment.after).proven.get(str(release.digest))
    ran = now - since if since else needed * 0
    if since and ran >= needed:
        return Allowed(GATE, f"ran {format_duration(ran)} in {environment.after}")
    return Held(
        GATE,
        f"{release.id} has run {format_duration(ran)} of {environment.gates.soak} "
        f"in {environment.after}",
        "wait",
        until=since + needed if since else None,
        overridable=True,
    )
