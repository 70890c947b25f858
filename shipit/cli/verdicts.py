"""The gates' answers, as lines."""

from collections.abc import Sequence
from datetime import UTC, datetime

from shipit.cli.session import Session
from shipit.policy.verdict import Held, Verdict


def draw_held(session: Session, verdicts: Sequence[Verdict]) -> None:
    """Only what holds: a plan is of use before it may be carried out."""
    for verdict in verdicts:
        if isinstance(verdict, Held):
            session.say(f"held by {verdict.gate}: {verdict.reason}")


def rows(verdicts: Sequence[Verdict]) -> list[tuple[str, str, str]]:
    """gate, answer, why and what to do."""
    return [
        (v.gate, "held", _held(v)) if isinstance(v, Held) else (v.gate, "open", v.why)
        for v in verdicts
    ]


def _held(verdict: Held) -> str:
    until = f"; opens {_when(verdict.until)}" if verdict.until else ""
    return f"{verdict.reason}{until}; to pass: {verdict.how_to_pass}"


def _when(until: datetime) -> str:
    return until.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
