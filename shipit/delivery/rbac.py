"""The least that an environment's deployments have to be allowed in its cluster."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from shipit.delivery import choose
from shipit.delivery.containers import able, one_target
from shipit.delivery.desired import desire, newest
from shipit.delivery.project import Project
from shipit.delivery.rollback import ran
from shipit.errors import PreconditionError, UsageError
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.pipeline import Environment
from shipit.model.state import State
from shipit.targets.interface import NeedsRole

_AT_ONCE = 8  # releases that are read


def least(
    project: Project, environment: str, *, target: str, subject: tuple[str, str] | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Roles, and with a `subject` (kind, name) their bindings; then what they could not say.

    For the newest release, for what comes next, and for all that one may go back to. Raises
    UsageError for a target that is no cluster.
    """
    wanted = project.environment(environment)
    chosen = able(one_target(project, environment, target), NeedsRole, "use a Role")
    releases = _releases(project, wanted)
    made, notes = chosen.role(releases, subject)
    if not releases:
        notes = ["there is no release yet: it allows every kind that shipit makes", *notes]
    return made, notes


def _releases(project: Project, wanted: Environment) -> list[Desired]:
    """The newest first."""
    first = newest(project, wanted)
    if first is None:
        return []
    digests = [d for d in _meant(project.ledger.read(), wanted) if d != first.release]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = list(threads.map(project.ledger.get_release, digests))
    several = [first]
    with project.registries() as registries:
        for release in found:
            try:
                several.append(desire(release, wanted, registries))
            except PreconditionError:  # of a time when the environment was another kind of target
                continue
    return several


def _meant(state: State, wanted: Environment) -> Iterator[Digest]:
    names = ran(state.environment(wanted.name))
    with suppress(UsageError):  # nothing runs upstream
        names.add(str(choose.default(state, wanted).digest))
    yield from (release.digest for release in state.releases if str(release.digest) in names)
