"""Soak: a release must have run upstream for a while."""

from datetime import datetime, timedelta

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
    upstream, key = state.environment(environment.after), str(release.digest)
    since = upstream.proven.get(key)
    runs = upstream.current is not None and upstream.current.release == release.digest
    ran = now - since if since and runs else timedelta(seconds=upstream.ran.get(key, 0.0))
    if since and ran >= needed:
        return Allowed(GATE, f"ran {format_duration(ran)} in {environment.after}")
    gone = since is not None and not runs
    return Held(
        GATE,
        f"{release.id} has run {format_duration(ran)} of {environment.gates.soak} "
        f"in {environment.after}" + (", and does not run there any more" if gone else ""),
        "promote what runs there now" if gone else "wait",
        until=since + needed if since and runs else None,
        overridable=True,
    )
