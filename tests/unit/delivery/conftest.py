"""A project of two environments on fake targets, and an address that answers as it is told."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.project import FakeProject, environment
from tests.fakes.site import Site


@pytest.fixture(autouse=True)
def _ada(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIPIT_ACTOR", "ada")
    monkeypatch.delenv("SHIPIT_LEASE_TTL", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> FakeProject:
    return FakeProject(tmp_path, environment("dev"), environment("qa", after="dev"))


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()
