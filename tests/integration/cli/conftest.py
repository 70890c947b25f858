"""A shop of its own for each test, on the real engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.shop import Shop, opened_shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(tmp_path) as made:
        yield made
