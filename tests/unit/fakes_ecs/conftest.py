from collections.abc import Iterator

import pytest

from tests.fakes.ecs import SimulatedEcs


@pytest.fixture
def sim() -> Iterator[SimulatedEcs]:
    with SimulatedEcs(clusters=["prod"]) as simulated:
        yield simulated
