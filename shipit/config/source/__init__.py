"""The team's own manifests as they are written, or as their own tools render them.

This happens once, when a release is built (and in `check`): the objects travel with the release.
What they mean is their target's matter; here they are only read, each with the place it is from.
"""

from collections.abc import Iterator
from pathlib import Path

from shipit.config.source import charts, definitions, kustomizations, manifests
from shipit.config.source.written import Written
from shipit.model.pipeline import Environment

__all__ = ["Written", "read", "remarks"]


def read(root: Path, environment: Environment, app: str) -> tuple[Written, ...]:
    """Of an environment that has a source. `root` is shipit.yaml's folder.

    Raises ConfigurationError for what is wrong in a file, PreconditionError when a program is
    missing, RemoteError when it does not end in time.
    """
    source = environment.source
    if source is None:
        return ()
    at = f"environments.{environment.name}.source"
    if source.kustomize:
        return kustomizations.read(root, source.kustomize, f"{at}.kustomize")
    if source.helm:
        return charts.read(root, environment, app, at)
    if source.task_definition:
        return definitions.read(root, source, at)
    written = source.manifests
    several = (written,) if isinstance(written, str) else written
    return manifests.read(root, several, f"{at}.manifests")


def remarks(root: Path, environment: Environment) -> Iterator[str]:
    """What a build and a check have to say about a source that is in order."""
    if environment.source is not None and environment.source.helm:
        yield from charts.remarks(root, environment.source)
