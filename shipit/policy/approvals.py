"""Approvals: enough people said yes to exactly these bytes and this configuration."""

from datetime import datetime

from shipit.model.pipeline import Environment
from shipit.model.release import ReleaseSummary
from shipit.model.state import State
from shipit.policy.verdict import Allowed, Held, Verdict

GATE = "approvals"


def approved(
    release: ReleaseSummary, environment: Environment, state: State, _: datetime
) -> Verdict:
    """A decision names a release's digest, so any change to the release voids it."""
    needed = environment.gates.approvals
    said = [d for d in state.environment(environment.name).decisions if d.release == release.digest]
    no = next((d for d in said if not d.approved), None)
    if no:
        return Held(
            GATE,
            f"{no.by.name} rejected {release.id}" + (f": {no.comment}" if no.comment else ""),
            f"they can change their word with `shipit approve {release.id} "
            f"--env {environment.name}`",
        )
    names = sorted({d.by.name for d in said})
    if len(names) < needed:
        have = f" ({', '.join(names)})" if names else ""
        return Held(
            GATE,
            f"{release.id} has {len(names)} of {needed} approvals{have}",
            f"`shipit approve {release.id} --env {environment.name}`",
            overridable=True,
        )
    return Allowed(GATE, f"approved by {', '.join(names)}" if names else "none needed")
