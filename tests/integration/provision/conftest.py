"""A shop whose staging stands on a small stack, and the real engine to bring it up."""

from pathlib import Path

import pytest

from tests.fakes import pulumi_engine
from tests.fakes.command import Shipit
from tests.fakes.pulumi_engine.cloud import Cloud
from tests.fakes.pulumi_engine.shop import PROGRAM, SHIPIT_YAML


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path / "engine" / "cloud")


@pytest.fixture
def shop(tmp_path: Path) -> Shipit:
    folder = tmp_path / "shop"
    (folder / "stacks").mkdir(parents=True)
    (folder / "shipit.yaml").write_text(SHIPIT_YAML)
    (folder / "stacks" / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (folder / "stacks" / "__main__.py").write_text(PROGRAM)
    return Shipit(folder, pulumi_engine.environment(tmp_path / "engine"))
