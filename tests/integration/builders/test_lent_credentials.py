"""buildx pushes to a registry whose password is in none of docker's files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.builders.buildkit import Built, build
from shipit.model.release import Source
from shipit.registry.client import Client
from shipit.registry.credentials import Credentials
from shipit.registry.docker_config import DockerConfig
from shipit.registry.keychain import Chain
from shipit.registry.lending import lend
from tests.fakes import engine
from tests.fakes.registry import FakeRegistry

pytestmark = pytest.mark.engine


class Ours:
    name = "ours"

    def resolve(self, registry: str) -> Credentials | None:
        return Credentials.basic("AWS", "token", self.name)

    def reason(self, registry: str) -> str:
        return ""


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[FakeRegistry]:
    with FakeRegistry(tmp_path / "closed", users={"AWS": "token"}) as registry:
        yield registry


def test_a_push_with_what_our_keychain_found(closed: FakeRegistry, root: Path) -> None:
    chain = Chain([Ours()])
    home = f"{closed.address}/shop"
    with Client(chain) as client, lend(chain, closed.address) as environment:
        steps = list(
            build(
                {"services": {"web": {"build": {"context": str(root / "web")}}}},
                root=root,
                registry=home,
                tag="v1",
                source=Source(),
                resolve=client.resolve,
                put_index=client.put_index,
                environment=environment,
            )
        )
        assert isinstance(steps[-1], Built)
        assert client.verify(steps[-1].images["web"]) == []
    engine.docker("image", "rm", f"{home}/web:v1")
    assert DockerConfig().resolve(closed.address) is None
