"""The runbook of a pipeline: build, then environment after environment until a gate holds."""

from collections.abc import Generator

import msgspec

from shipit.delivery.build import BuildResult, build
from shipit.delivery.deploy import deploy
from shipit.delivery.project import Project
from shipit.delivery.request import Request, Result, Step
from shipit.model.digest import Digest
from shipit.model.events import Kind
from shipit.model.pipeline import Environment


class PipelineResult(msgspec.Struct, frozen=True, tag="result", tag_field="event"):
    release: Digest
    release_id: str
    reused: bool
    deployments: tuple[Result, ...]


def run_pipeline(project: Project, *, to: str = "") -> Generator[Step, None, PipelineResult]:
    """As far as `to` (else to every end of the graph). What is there already is proven again.

    Raises what `build` and `deploy` raise: HeldError where a gate holds.
    """
    way = path_to(project, to)
    built: BuildResult = yield from build(project)
    results: list[Result] = []
    for environment in way:
        kind = Kind.PROMOTE if environment.after else Kind.DEPLOY
        request = Request(environment.name, release=str(built.release.digest), kind=kind)
        results.append((yield from deploy(project, request)))
    return PipelineResult(
        release=built.release.digest,
        release_id=built.release.id,
        reused=built.reused,
        deployments=tuple(results),
    )


def path_to(project: Project, to: str) -> tuple[Environment, ...]:
    """The environments on the way, in promotion order."""
    if not to:
        return tuple(project.pipeline.environments.values())
    way = [project.environment(to)]
    while way[0].after is not None:
        way.insert(0, project.environment(way[0].after))
    return tuple(way)
