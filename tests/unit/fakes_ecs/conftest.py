from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.ecs import SimulatedEcs, runs, stories
from tests.fakes.ecs.stories import Story

GOOD = stories.read("success").image("good")


@pytest.fixture
def sim() -> Iterator[SimulatedEcs]:
    with SimulatedEcs(clusters=["prod"]) as simulated:
        simulated.images[GOOD] = runs()
        yield simulated


@pytest.fixture
def ecs(sim: SimulatedEcs) -> Any:
    return sim.client()


@pytest.fixture
def story() -> Story:
    return stories.read("success")


@pytest.fixture
def web(sim: SimulatedEcs, story: Story) -> str:
    """A service that is stable on `good`; its task definition's ARN."""
    story.stage(sim)
    arn: str = sim.world.services["prod", "web"].settings["taskDefinition"]
    return arn
