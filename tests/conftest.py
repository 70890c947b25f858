"""Every test: nothing real without its marker, and one clear reason where the real thing is not."""

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fakes import debian_registry, peers, pulumi_engine
from tests.fakes.cluster import program as control_plane
from tests.fakes.fence import Fence

if TYPE_CHECKING:
    from tests.fakes.cluster.kubernetes import Cluster

_FENCE = pytest.StashKey[Fence]()


def pytest_configure(config: pytest.Config) -> None:
    folder = Path(tempfile.mkdtemp(prefix="shipit-fence-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    config.stash[_FENCE] = Fence(folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    marks = _marks(item)
    for mark, missing in _MISSING.items():
        why = missing() if mark in marks else ""
        if why:
            pytest.skip(why)
    with item.config.stash[_FENCE].around(marks):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with item.config.stash[_FENCE].around(_marks(item)):
        return (yield)


@pytest.fixture(autouse=True)
def _fenced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs that an unmarked test starts find no engine either."""
    if "engine" not in _marks(request.node):
        for name, value in request.config.stash[_FENCE].environment().items():
            monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def _on_no_build_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """On GitHub's own machines a command says more: only a test that asks for it hears that."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Cluster]":
    """For tests that are marked `cluster`."""
    from tests.fakes.cluster.kubernetes import cluster

    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="session")
def kubelet_cluster(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Cluster]":
    """A cluster whose pods are real, for tests that are marked `cluster` and `engine`."""
    from tests.fakes.cluster import kubelet
    from tests.fakes.cluster.kubernetes import Cluster
    from tests.fakes.cluster.plane import running

    why = kubelet.missing()
    if why:
        pytest.skip(why)
    with running(tmp_path_factory.mktemp("plane")) as plane, kubelet.kubelet(plane):
        yield Cluster(plane.kubeconfig, plane.api, plane)


def _marks(item: pytest.Item) -> frozenset[str]:
    return frozenset(mark.name for mark in item.iter_markers())


@cache
def _no_engine() -> str:
    """Asked of the docker command line, as a user would."""
    try:
        asked = ["docker", "version", "--format", "{{.Server.Version}}"]
        done = subprocess.run(asked, capture_output=True, timeout=30, check=False)
    except FileNotFoundError:
        return "no docker command line: `scripts/ground --tests` installs one"
    except subprocess.TimeoutExpired:
        return "the Docker engine does not answer: `scripts/engine status`"
    return "no Docker engine answers: `scripts/engine start`" if done.returncode else ""


@cache
def _no_registry() -> str:
    there = debian_registry.is_installed()
    return "" if there else "no docker-registry: `scripts/ground --tests` installs it"


@cache
def _no_moto() -> str:
    there = importlib.util.find_spec("moto") and importlib.util.find_spec("flask")
    return "" if there else "no moto server: `scripts/ground --tests` installs it"


def _no_peers() -> str:
    missing = [name for name in peers.NAMES if not peers.find(name)]
    return f"no {', '.join(missing)}: `scripts/ground --tests` installs them" if missing else ""


_MISSING: dict[str, Callable[[], str]] = {
    "engine": _no_engine,
    "registry": _no_registry,
    "aws": _no_moto,
    "peers": _no_peers,
    "pulumi": pulumi_engine.missing,
    "cluster": control_plane.missing,
}
