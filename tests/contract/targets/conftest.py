"""The targets that the contract is held against, each as a bench that can break a service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import DockerTarget
from shipit.model.progress import Reason
from shipit.targets.docker import follow
from shipit.targets.docker.target import DockerEngine
from tests.fakes.engine import Shop, pushed, worker
from tests.fakes.target import FakeTarget


class Bench:
    """`target` is a new object each time, over the same world."""

    def __init__(self, target: FakeTarget | None, shop: Shop, root: Path) -> None:
        self._fake, self.shop, self._root = target, shop, root

    def target(self) -> FakeTarget | DockerEngine:
        if self._fake:
            return self._fake
        return DockerEngine("default", DockerTarget(), "dev", self.shop.app, str(self._root))

    def desired(self, *names: str, version: str = "1", broken: str = "") -> Desired:
        """Services of these names; `broken` dies at start; a `task-…` is run before the others."""
        services = {n: worker("exit 1") if n == broken else worker() for n in names}
        for name in names:
            if name.startswith("task"):
                script = "exit 1" if name == broken else "echo done"
                services[name] = worker(script, **{"x-shipit": {"run": "before"}})
        made = self.shop.desired(services, version=version)
        if self._fake and broken:
            self._fake.failures[str(made.release)] = (Reason(broken, "exited with code 1"),)
            self._fake.broken_tasks[broken] = (Reason(broken, "ended with exit code 1"),)
        return made


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Image]]:
    with pushed(tmp_path_factory.mktemp("images"), "1", "2") as found:
        yield found


@pytest.fixture(params=["memory", pytest.param("docker", marks=pytest.mark.engine)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "memory":
        known = {v: Image("registry.test/web", Digest.of(v.encode())) for v in "12"}
        yield Bench(FakeTarget(), Shop(known), tmp_path)
        return
    shop = Shop(request.getfixturevalue("images"))
    yield Bench(None, shop, tmp_path)
    shop.clean()


@pytest.fixture(autouse=True)
def settled_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it must stay up is held by the unit tests; here it would only be waited for."""
    monkeypatch.setattr(follow, "SETTLE", 0.3)
