"""A folder with a shipit.yaml and a compose.yaml, and a record that a test may write to."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from shipit.ledger import Ledger
from shipit.model.events import ReleaseCreated
from shipit.model.release import Release, summarize
from tests.fakes.command import Shipit
from tests.fakes.project import make_release

PIPELINE = """\
app: shop
environments:
  dev:
    target: {docker: {}}
  qa:
    after: dev
    target: {docker: {}}
"""
COMPOSE = """\
services:
  web:
    build: .
"""
Keep = Callable[[str], Release]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shipit.yaml").write_text(PIPELINE)
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    return tmp_path


@pytest.fixture
def shipit(folder: Path) -> Shipit:
    return Shipit(folder)


@pytest.fixture
def ledger(folder: Path) -> Ledger:
    return Ledger.open("", root=folder)


@pytest.fixture
def keep(ledger: Ledger) -> Keep:
    """Records a release of this name, for dev and qa."""

    def make(name: str, environments: Sequence[str] = ("dev", "qa")) -> Release:
        release = make_release(name, environments, minute=len(ledger.read().releases))
        ledger.put_release(release)
        ledger.commit(lambda _: [ReleaseCreated(release=summarize(release))])
        return release

    return make
