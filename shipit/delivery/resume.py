"""The runbook of a resume: deployments whose shipit was killed are taken up again."""

from collections.abc import Generator

from shipit.delivery.deploy import take_up
from shipit.delivery.lease import clear_the_way
from shipit.delivery.project import Project
from shipit.delivery.request import Result, Step
from shipit.model.state import State


def resume(project: Project, environment: str = "") -> Generator[Step, None, tuple[Result, ...]]:
    """Every interrupted deployment (of one environment, when it is named), one after the other.

    Nothing interrupted: nothing happens. Raises what `deploy` raises, LeasedError among it when the
    owner is alive after all.
    """
    names = [project.environment(environment).name] if environment else waiting(project)
    results = []
    for name in names:
        state = yield from clear_the_way(project, name)
        left = state.environment(name).interrupted
        if left is not None:
            results.append((yield from take_up(project, left)))
    return tuple(results)


def waiting(project: Project) -> list[str]:
    """The environments with something to take up, in promotion order."""
    state: State = project.ledger.read()
    return [
        name
        for name in project.pipeline.environments
        if state.environment(name).interrupted or state.environment(name).active
    ]
