"""A shop of its own for each test, on the real engine."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.model.image import Image
from shipit.model.pipeline import DockerTarget, TargetSettings
from shipit.targets import kinds
from shipit.targets.docker import follow
from shipit.targets.docker.target import DockerEngine
from tests.fakes.engine import Shop, pushed


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Image]]:
    with pushed(tmp_path_factory.mktemp("images"), "1", "2") as found:
        yield found


@pytest.fixture
def shop(images: dict[str, Image]) -> Iterator[Shop]:
    made = Shop(images)
    yield made
    made.clean()


@pytest.fixture
def engine(shop: Shop, tmp_path: Path) -> Callable[..., DockerEngine]:
    """A target on the machine's engine; called again it is another process's."""

    def make(host: str = "", root: Path = tmp_path) -> DockerEngine:
        settings = TargetSettings(docker=DockerTarget(host=host))
        made = kinds.build("default", settings, "dev", shop.app, str(root))
        assert isinstance(made, DockerEngine)
        return made

    return make


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def settled_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it must stay up is held by the unit tests; here it would only be waited for."""
    monkeypatch.setattr(follow, "SETTLE", 0.3)
