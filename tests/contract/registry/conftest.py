"""One suite over two registries: ours, and Debian's docker-registry."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.registry.client import Client
from shipit.registry.embedded import EmbeddedRegistry
from shipit.registry.keychain import Chain
from tests.fakes.debian_registry import debian_registry, is_installed

EMBEDDED = "embedded"
DEBIAN = "docker-registry"


@pytest.fixture(scope="session")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """The address of a registry by its kind, started at its first use."""
    running: dict[str, str] = {}
    folder = tmp_path_factory.mktemp("registries")
    embedded = EmbeddedRegistry(folder / EMBEDDED)
    debian = debian_registry(folder / DEBIAN)

    def start(kind: str) -> str:
        if kind not in running:
            running[kind] = embedded.start().address if kind == EMBEDDED else debian.__enter__()
        return running[kind]

    yield start
    embedded.stop()
    if DEBIAN in running:
        debian.__exit__(None, None, None)


@pytest.fixture(params=[EMBEDDED, pytest.param(DEBIAN, marks=pytest.mark.registry)])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == DEBIAN and not is_installed():
        pytest.skip("docker-registry is not installed")
    return str(request.param)


@pytest.fixture
def registry(kind: str, addresses: Callable[[str], str]) -> str:
    """The address of the registry under test."""
    return addresses(kind)


_NUMBERS = itertools.count()


@pytest.fixture
def repository(registry: str) -> str:
    """A repository that no other test uses."""
    return f"{registry}/shop/web{next(_NUMBERS)}"


@pytest.fixture
def other_repository(registry: str) -> str:
    return f"{registry}/production/web{next(_NUMBERS)}"


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(Chain([])) as opened:
        yield opened


@pytest.fixture
def second_registry(tmp_path: Path) -> Iterator[str]:
    with EmbeddedRegistry(tmp_path / "second", port=0) as opened:
        yield opened.address
