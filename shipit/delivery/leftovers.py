"""What deployments left on an environment's targets, and in its registry, and nothing needs any
more."""

from collections.abc import Iterator

import msgspec

from shipit.delivery import keeping
from shipit.delivery.lease import refuse_if_leased
from shipit.delivery.project import Project
from shipit.errors import PreconditionError, UsageError
from shipit.model.deployment import Leftover
from shipit.model.digest import Digest
from shipit.model.pipeline import Environment
from shipit.model.state import Active, Deployed, EnvironmentState, Record, State
from shipit.registry import retention
from shipit.targets.interface import LeavesOver

REGISTRY = "its registry"  # in a target's place; no target has a blank in its name


class Found(msgspec.Struct, frozen=True):
    target: str
    leftovers: tuple[Leftover, ...]


def find(project: Project, environment: str, keep: int) -> tuple[Found, ...]:
    """On every target, and of the retention tags. What a release that runs, ran before or is on its
    way left there stays.

    Raises UsageError when deployments leave nothing on any of them, LeasedError while one is under
    way.
    """
    wanted = project.environment(environment)
    state = project.ledger.read()
    refuse_if_leased(state, wanted.name)
    releases = _needed(state.environment(wanted.name))
    able = {n: t for n, t in project.targets(wanted).items() if isinstance(t, LeavesOver)}
    tags = tuple(_tags(project, wanted, state, keep))
    if not able and not tags:
        kinds = ", ".join(sorted({t.kind for t in wanted.targets.values()}))
        raise UsageError(f"deployments leave nothing over on {environment}'s targets ({kinds})")
    found = tuple(Found(name, tuple(t.leftovers(releases, keep))) for name, t in able.items())
    return (*found, Found(REGISTRY, tags)) if tags else found


def _tags(project: Project, wanted: Environment, state: State, keep: int) -> Iterator[Leftover]:
    """Environments may share a repository, and the last tag of an image may take it along: what any
    of them needs stays, and what the last `keep` deployments here brought."""
    spared = {digest for one in state.environments.values() for digest in _releases(one)}
    spared |= {one.release for one in state.environment(wanted.name).recent[:keep]}
    with project.registries() as registries:
        yield from keeping.superseded(project, wanted, registries, spared)


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
        if one.target == REGISTRY:
            yield from _delete(project, one.leftovers)
            continue
        target = targets[one.target]
        if isinstance(target, LeavesOver):
            yield from target.clear(one.leftovers)


def _delete(project: Project, tags: tuple[Leftover, ...]) -> Iterator[str]:
    with project.registries() as registries:
        for tag in tags:
            repository, _, name = tag.id.rpartition(":")
            retention.delete(registries.client, repository, name)
            yield tag.name


def _needed(state: EnvironmentState) -> frozenset[str]:
    """What runs, what a rollback would go back to, and what an interrupted deployment wanted; on
    hold also what came last, which is what people look into."""
    return frozenset(one.release_id for one in _those(state))


def _releases(state: EnvironmentState) -> frozenset[Digest]:
    return frozenset(one.release for one in _those(state))


def _those(state: EnvironmentState) -> list[Deployed | Active | Record]:
    deployed = (state.current, state.previous, state.interrupted)
    held = state.recent[:1] if state.hold else ()
    return [one for one in (*deployed, *held) if one]
