import pytest

from tests.fakes.recorded import Shop


@pytest.fixture
def shop() -> Shop:
    return Shop()
