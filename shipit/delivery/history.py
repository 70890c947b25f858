"""Deployments that ended, out of the state, or out of the whole log."""

from collections.abc import Iterator

from shipit.delivery.project import Project
from shipit.model.state import KEPT_DEPLOYMENTS, Record, State, fold


def recent_records(project: Project, environment: str = "") -> list[Record]:
    """What the state keeps (50 an environment), the newest first."""
    state = project.ledger.read()
    records = [
        record
        for name, env in state.environments.items()
        if environment in ("", name)
        for record in env.recent
    ]
    return sorted(records, key=lambda r: (r.ended_at, r.token), reverse=True)


def all_records(project: Project, environment: str = "") -> list[Record]:
    """Every one there ever was, the newest first: the log is folded from its first commit."""
    return list(_folded(project, environment))[::-1]


def _folded(project: Project, environment: str) -> Iterator[Record]:
    state = State()
    for commit in project.ledger.history(newest_first=False):
        after = fold(state, commit)
        for name in {getattr(event, "environment", "") for event in commit.events} - {""}:
            if environment in ("", name):
                yield from _new(state, after, name)
        state = after


def _new(before: State, after: State, name: str) -> list[Record]:
    seen = {r.token for r in before.environment(name).recent[:KEPT_DEPLOYMENTS]}
    return [r for r in reversed(after.environment(name).recent) if r.token not in seen]
