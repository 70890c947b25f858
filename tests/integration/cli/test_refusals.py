"""Refusals that need an engine or a registry: exit code 2, one clear message, nothing has changed.

Those that need neither are in tests/unit/cli/test_refusals.py.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.delivery.project import Project
from shipit.model.image import Reference
from tests.fakes.command import Ran, Shipit, refused
from tests.fakes.registry import FakeRegistry
from tests.fakes.shop import Shop, forget_images, opened_shop

pytestmark = [pytest.mark.engine, pytest.mark.xdist_group("refusals")]
E = ("--env", "dev")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop whose dev runs, and with a newer release that would change it."""
    with opened_shop(tmp_path_factory.mktemp("deployed")) as shop:
        shop.deployed()
        shop.replace("compose.dev.yaml", "Hello, developer", "Good morning")
        shop.commit("another greeting")
        shop.build()
        yield shop


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[FakeRegistry]:
    """A registry that nobody here has a password for."""
    with FakeRegistry(tmp_path / "closed", users={"ci": "secret"}) as running:
        yield running


def unchanged(shop: Shop, *words: str, shipit: Shipit | None = None) -> Ran:
    """Runs it; neither the record nor a container may change."""
    record, containers = shop.record(), shop.containers()
    ran = (shipit or shop.shipit)(*words)
    assert shop.containers() == containers, ran.told()
    assert shop.record() == record, ran.told()
    return ran


@pytest.mark.parametrize(
    ("address", "verbs"),
    [
        ("unix:///nonexistent", ["deploy", "plan", "ps", "logs", "stop", "verify", "check"]),
        ("tcp://127.0.0.1:1", ["deploy", "check"]),
    ],
)
def test_an_engine_that_cannot_be_reached(address: str, verbs: list[str], deployed: Shop) -> None:
    shipit = deployed.shipit.with_env(DOCKER_HOST=address)
    rest = [["exec", *E, "web", "true"], ["rm", *E, "--yes"], ["build", "--force"]]
    record, containers = deployed.record(), deployed.containers()
    for words in (*([verb, *E] for verb in verbs), *rest):
        text = refused(shipit(*words), "no Docker engine answers", address)
        assert "start it" in text
    assert (deployed.record(), deployed.containers()) == (record, containers)
    # What runs is asked of the record.
    assert shipit.ok("status", "--json").json["environments"][0]["health"] == "healthy"


def test_a_port_that_a_program_has(shop: Shop) -> None:
    shop.build()
    with socket.create_server(("127.0.0.1", shop.ports["dev"])):
        for words in (["deploy", *E], ["plan", *E], ["check", *E]):
            text = refused(
                unchanged(shop, *words), f"web cannot publish port {shop.ports['dev']}: it is taken"
            )
            assert "pytest" in text or "python" in text
            assert "(pid " in text


def test_a_port_that_another_container_has(shop: Shop, deployed: Shop) -> None:
    port = deployed.ports["dev"]
    shop.replace("compose.dev.yaml", f"127.0.0.1:{shop.ports['dev']}", f"127.0.0.1:{port}")
    shop.commit("somebody's port")
    shop.build()
    for words in (["deploy", *E], ["plan", *E], ["check", *E]):
        refused(
            unchanged(shop, *words),
            f"web cannot publish port {port}: it is taken",
            f"{deployed.app}-dev-web-1",
        )


def test_a_registry_that_refuses_a_push(shop: Shop, closed: FakeRegistry) -> None:
    shop.replace(
        "shipit.yaml", f"app: {shop.app}", f"app: {shop.app}\nregistry: {closed.address}/shop"
    )
    shop.commit("a registry")
    for words in (["build"], ["check"], ["pipeline"]):
        refused(unchanged(shop, *words), closed.address, f"docker login {closed.address}")
    assert closed.asked("PUT") == []


def test_an_image_that_is_nowhere_any_more(shop: Shop) -> None:
    """Gone from the registry and from the engine between the build and the deployment."""
    release = shop.build()
    with Project.open(shop.folder / "shipit.yaml").registries() as registries:
        repository = f"{registries.home}/web"
        found = registries.client.resolve(Reference.parse(f"{repository}:{release}"))
        assert registries.client.delete_manifest(repository, found.digest)
    forget_images(shop.app)
    ran = shop.shipit("deploy", *E)
    text = refused(ran, "the registry does not have web's image", str(found.digest))
    assert "no task has run" in text
    assert shop.containers() == {}
    assert shop.tasks("dev") == []
    assert shop.running("dev") == ""
    assert shop.state("dev").active is None
    # And a build says that the release it would use again is not whole.
    refused(unchanged(shop, "build"), f"release {release} exists, but its image of web does not")
