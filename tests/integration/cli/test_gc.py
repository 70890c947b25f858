"""`shipit gc` as a user runs it, on a simulated ECS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.around import Around
from tests.fakes.command import Shipit, refused
from tests.fakes.ecs import SimulatedEcs
from tests.fakes.scheduler import FakeScheduler
from tests.fakes.terminal import answered

PIPELINE = """\
app: shop
environments:
  dev: {target: {docker: {}}}
  production:
    after: dev
    target: {ecs: {region: eu-west-1, cluster: prod, subnets: [subnet-1]}}
"""
FAMILY = "shop-production-web"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@pytest.fixture
def sim() -> Iterator[SimulatedEcs]:
    """Four revisions of this environment's, and nothing that uses them."""
    with SimulatedEcs(clusters=["prod"]) as made:
        for number in range(4):
            tags = {
                "shipit:app": "shop",
                "shipit:environment": "production",
                "shipit:release": f"r{number}",
            }
            made.call(
                "RegisterTaskDefinition",
                family=FAMILY,
                containerDefinitions=[{"name": "web", "image": f"web:{number}", "memory": 64}],
                tags=[{"key": k, "value": v} for k, v in tags.items()],
            )
        yield made


@pytest.fixture
def shipit(tmp_path: Path, sim: SimulatedEcs) -> Iterator[Shipit]:
    (tmp_path / "shipit.yaml").write_text(PIPELINE)
    (tmp_path / "compose.yaml").write_text("services: {web: {build: .}}\n")
    with Around() as around, FakeScheduler() as scheduler:
        endpoints = {
            "AWS_ENDPOINT_URL": around.endpoint,
            "AWS_ENDPOINT_URL_ECS": sim.endpoint,
            "AWS_ENDPOINT_URL_SCHEDULER": scheduler.endpoint,
        }
        yield Shipit(tmp_path, {**CREDENTIALS, **endpoints})


def left(sim: SimulatedEcs) -> list[int]:
    return [d.revision for d in sim.world.definitions[FAMILY] if d.body["status"] == "ACTIVE"]


def test_it_shows_what_would_go_and_asks(shipit: Shipit, sim: SimulatedEcs) -> None:
    ran = shipit("gc", "--env", "production", "--keep", "1")
    refused(ran, "2 would be deleted", "run it again with --yes")
    assert [line.split() for line in ran.out.splitlines()[1:]] == [
        ["default", f"{FAMILY}:2", "of", "release", "r1"],
        ["default", f"{FAMILY}:1", "of", "release", "r0"],
    ]
    assert left(sim) == [1, 2, 3, 4]
    assert not sim.asked("DeregisterTaskDefinition")


def test_no_is_an_answer(shipit: Shipit, sim: SimulatedEcs) -> None:
    ran = answered(shipit, "n", "gc", "--env", "production", "--keep", "1")
    assert ran.code == 0, ran.told()
    assert "nothing was removed" in ran.err
    assert left(sim) == [1, 2, 3, 4]


def test_with_a_word_from_the_user_they_go(shipit: Shipit, sim: SimulatedEcs) -> None:
    ran = shipit.ok("gc", "--env", "production", "--keep", "1", "--yes", "--json")
    assert ran.json == {"removed": [f"{FAMILY}:2", f"{FAMILY}:1"]}
    assert left(sim) == [3, 4]
    ran = shipit.ok("gc", "--env", "production", "--keep", "1")
    assert ran.out == "removed 0\n"


def test_without_a_number_ten_stay(shipit: Shipit, sim: SimulatedEcs) -> None:
    assert shipit.ok("gc", "--env", "production", "--yes").out == "removed 0\n"
    assert left(sim) == [1, 2, 3, 4]


def test_an_engine_keeps_nothing_over(shipit: Shipit) -> None:
    refused(shipit("gc", "--env", "dev"), "leave nothing over on dev's targets (docker)")
