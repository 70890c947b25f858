"""What deployments left on an environment's targets and nothing needs any more."""

from collections.abc import Iterator

import msgspec

from shipit.delivery.lease import refuse_if_leased
from shipit.delivery.project import Project
from shipit.errors import PreconditionError, UsageError
from shipit.model.deployment import Leftover
from shipit.model.state import EnvironmentState
from shipit.targets.interface import LeavesOver


class Found(msgspec.Struct, frozen=True):
    target: str
    leftovers: tuple[Leftover, ...]


def find(project: Project, environment: str, keep: int) -> tuple[Found, ...]:
    """On every target. What a release that runs, ran before or is on its way left there stays.

    Raises UsageError when deployments leave nothing on any of them, LeasedError while one is under
    way.
    """
    wanted = project.environment(environment)
    state = project.ledger.read()
    refuse_if_leased(state, wanted.name)
    releases = _needed(state.environment(wanted.name))
    able = {n: t for n, t in project.targets(wanted).items() if isinstance(t, LeavesOver)}
    if not able:
        kinds = ", ".join(sorted({t.kind for t in wanted.targets.values()}))
        raise UsageError(f"deployments leave nothing over on {environment}'s targets ({kinds})")
    return tuple(Found(name, tuple(t.leftovers(releases, keep))) for name, t in able.items())


def clear(project: Project, environment: str, found: tuple[Found, ...], keep: int) -> Iterator[str]:
    """What was shown, and nothing else; the names, as they go.

    It is looked at again first, since whoever was asked took a while to answer. Raises
    PreconditionError, with nothing taken away, when something of it is needed by now.
    """
    now = {leftover.id for one in find(project, environment, keep) for leftover in one.leftovers}
    back = [leftover.name for one in found for leftover in one.leftovers if leftover.id not in now]
    if back:
        raise PreconditionError(
            f"{', '.join(back[:3])} cannot be taken away any more",
            "it is needed by now, or somebody else has taken it away",
            "run `shipit gc` again",
        )
    targets = project.targets(project.environment(environment))
    for one in found:
        target = targets[one.target]
        if isinstance(target, LeavesOver):
            yield from target.clear(one.leftovers)


def _needed(state: EnvironmentState) -> frozenset[str]:
    """What runs, what a rollback would go back to, and what an interrupted deployment wanted; on
    hold also what came last, which is what people look into."""
    deployed = (state.current, state.previous, state.interrupted)
    held = state.recent[:1] if state.hold else ()
    return frozenset(one.release_id for one in (*deployed, *held) if one)
