"""The gates, in the order in which they are asked and shown. A new one is a line here."""

from collections.abc import Callable
from datetime import datetime

from shipit.model.pipeline import Environment
from shipit.model.release import ReleaseSummary
from shipit.model.state import State
from shipit.policy.approvals import approved
from shipit.policy.freeze import not_frozen
from shipit.policy.hold import not_held
from shipit.policy.order import not_older
from shipit.policy.soak import soaked
from shipit.policy.upstream import verified_upstream
from shipit.policy.verdict import Held, Verdict

Gate = Callable[[ReleaseSummary, Environment, State, datetime], Verdict]

GATES: tuple[Gate, ...] = (
    verified_upstream,
    not_held,
    not_older,
    approved,
    soaked,
    not_frozen,
)


def ask_gates(
    release: ReleaseSummary, environment: Environment, state: State, now: datetime
) -> tuple[Verdict, ...]:
    """Every gate's answer: all reasons at once are worth more than the first."""
    return tuple(gate(release, environment, state, now) for gate in GATES)


def holding(verdicts: tuple[Verdict, ...], *, override: str = "") -> tuple[Held, ...]:
    """The answers that keep the release out; a reason for an override opens those that allow it."""
    held = (v for v in verdicts if isinstance(v, Held))
    return tuple(v for v in held if not (override and v.overridable))
