"""Every operation of the API that is simulated, by its name."""

from collections.abc import Callable

from tests.fakes.ecs.operations import (
    accounts,
    clusters,
    definitions,
    deployments,
    services,
    tags,
    tasks,
)
from tests.fakes.ecs.world import Json, World

OPERATIONS: dict[str, Callable[[World, Json], Json]] = {
    **accounts.OPERATIONS,
    **clusters.OPERATIONS,
    **definitions.OPERATIONS,
    **deployments.OPERATIONS,
    **services.OPERATIONS,
    **tags.OPERATIONS,
    **tasks.OPERATIONS,
}
