"""Freeze: nothing enters in the windows that shipit.yaml names."""

from datetime import datetime

from shipit.model.pipeline import Environment
from shipit.model.release import ReleaseSummary
from shipit.model.state import State
from shipit.model.window import parse_window
from shipit.policy.verdict import Allowed, Held, Verdict

GATE = "freeze"


def not_frozen(_: ReleaseSummary, environment: Environment, __: State, now: datetime) -> Verdict:
    for text in environment.gates.freeze:
        end = parse_window(text).end_if_open(now)
        if end:
            return Held(
                GATE,
                f"{environment.name} takes no releases in the window {text}",
                "wait, or go past it with a reason on record: "
                f"`shipit deploy --env {environment.name} --override REASON`",
                until=end,
                overridable=True,
            )
    return Allowed(GATE, "outside every window" if environment.gates.freeze else "no windows")
