"""What deployments left on an environment's targets and nothing needs any more."""

from collections.abc import Iterator

import msgspec

from shipit.delivery.project import Project
from shipit.errors import UsageError
from shipit.model.deployment import Leftover
from shipit.model.state import EnvironmentState
from shipit.targets.interface import LeavesOver


class Found(msgspec.Struct, frozen=True):
    target: str
    leftovers: tuple[Leftover, ...]


def find(project: Project, environment: str, keep: int) -> tuple[Found, ...]:
    """On every target. What a release that runs, ran before or is on its way left there stays.

    Raises UsageError when deployments leave nothing on any of them, and while one is under way.
    """
    wanted = project.environment(environment)
    state = project.ledger.read().environment(environment)
    if state.active:
        raise UsageError(
            f"a deployment is under way in {environment}: {state.active.owner}",
            next_step="wait for its end",
        )
    releases = _needed(state)
    able = {n: t for n, t in project.targets(wanted).items() if isinstance(t, LeavesOver)}
    if not able:
        kinds = ", ".join(sorted({t.kind for t in wanted.targets.values()}))
        raise UsageError(f"deployments leave nothing over on {environment}'s targets ({kinds})")
    return tuple(Found(name, tuple(t.leftovers(releases, keep))) for name, t in able.items())


def clear(project: Project, environment: str, found: tuple[Found, ...]) -> Iterator[str]:
    targets = project.targets(project.environment(environment))
    for one in found:
        target = targets[one.target]
        if isinstance(target, LeavesOver):
            yield from target.clear(one.leftovers)


def _needed(state: EnvironmentState) -> frozenset[str]:
    """What runs, what a rollback would go back to, and what an interrupted deployment wanted."""
    deployed = (state.current, state.previous, state.interrupted)
    return frozenset(one.release_id for one in deployed if one)
