"""Bring up what a plan says, and nothing else."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from shipit.errors import RemoteError
from shipit.model.deployment import Action, Desired, Health, Plan
from shipit.targets.docker.compose import BringUp, Compose
from shipit.targets.docker.containers import Container
from shipit.targets.docker.files import Files
from shipit.targets.docker.observe import by_service
from shipit.targets.docker.project import document, project_name, specs
from shipit.targets.engine.client import Engine


def bring_up(
    plan: Plan, engine: Engine, compose: Compose, files: Files, there: Sequence[Container]
) -> BringUp | None:
    """Pull, remove what the release no longer has, then hand the changed services to Compose.

    `there` are the project's containers, observed just now. None when nothing is left to Compose.
    Raises PreconditionError, with nothing changed, when an image cannot be pulled.
    """
    desired = plan.desired
    limit = time.monotonic() + desired.deadline
    changed = [c.service for c in plan.changes if c.action in (Action.CREATE, Action.UPDATE)]
    removed = {c.service for c in plan.changes if c.action is Action.REMOVE}
    with files.lock() as lock:
        staged = files.stage(document(desired, project_name(desired.app, desired.environment)))
        pull(engine, compose, desired, staged, changed)
        file = files.adopt(staged)
        for container in there:
            if container.service in removed or (container.one_off and not container.up):
                remove(engine, container)
        if not changed:
            return None
        argv = compose.argv(file, *_up(desired, changed, there))
        return BringUp(argv, compose.environment, limit - time.monotonic(), lock)


def pull(
    engine: Engine, compose: Compose, desired: Desired, file: Path, services: Iterable[str]
) -> None:
    """The images that the engine does not have yet. Raises PreconditionError."""
    images = {name: desired.images[name] for name in services}
    missing = {n: image for n, image in images.items() if not _has(engine, image.reference)}
    if missing:
        compose.pull(file, missing, deadline=desired.deadline)


def remove(engine: Engine, container: Container) -> None:
    """Stop it in its own time, then take it away; gone already is as good."""
    try:
        engine.post(f"/containers/{container.id}/stop", deadline=_STOP)
        engine.delete(f"/containers/{container.id}", v=1, force=1)
    except RemoteError as error:
        if error.status not in (404, 409):  # 409: its removal is under way
            raise


# Longer than any sensible stop_grace_period, in seconds.
_STOP = 600.0


def _has(engine: Engine, reference: str) -> bool:
    try:
        engine.get(f"/images/{reference}/json")
    except RemoteError as error:
        if error.status != 404:
            raise
        return False
    return True


def _up(desired: Desired, changed: Sequence[str], there: Sequence[Container]) -> Iterator[str]:
    yield from ("up", "--detach", "--no-build", "--no-deps", "--pull", "never")
    # Compose leaves a container alone whose definition is unchanged, however it fares.
    if any(_spoilt(desired, name, there) for name in changed):
        yield "--force-recreate"
    yield from changed


def _spoilt(desired: Desired, name: str, there: Sequence[Container]) -> bool:
    wanted, known = specs(desired)[name], desired.images[name].identities()
    return any(
        c.spec == wanted and (c.health is Health.UNHEALTHY or not known & set(c.images))
        for c in by_service(there).get(name, ())
    )
