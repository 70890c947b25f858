"""ps, logs, exec, run, stop, start and rm, as people know them from docker."""

import itertools
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit import process
from shipit.errors import PreconditionError, UnknownNameError, UsageError
from shipit.model.deployment import Health
from shipit.targets.docker.target import DockerEngine
from tests.fakes.engine import Shop, deploy, docker, wait_for, web, worker

pytestmark = pytest.mark.engine
Engines = Callable[..., DockerEngine]
BUSYBOX = "/bin/busybox"


@pytest.fixture
def target(shop: Shop, engine: Engines, port: int) -> DockerEngine:
    made = engine()
    services = {
        "web": web(port),
        "worker": worker(
            "echo one; echo two >&2; exec sleep 1000",
            depends_on={"web": {"condition": "service_healthy", "required": True}},
        ),
    }
    deploy(made, shop.desired(services))
    return made


def compose(*words: str) -> str:
    argv = [*process.compose(), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_compose_sees_it_as_its_own(shop: Shop, target: DockerEngine, tmp_path: Path) -> None:
    listed = json.loads(compose("ls", "--format", "json", "--filter", f"name={shop.project}"))
    file = tmp_path / ".shipit" / "environments" / "dev.json"
    assert [(p["Name"], p["Status"], p["ConfigFiles"]) for p in listed] == [
        (shop.project, "running(2)", str(file))
    ]
    rows = compose("-p", shop.project, "-f", str(file), "ps", "--format", "{{.Service}}")
    assert sorted(rows.split()) == ["web", "worker"]
    assert "worker-1  | one" in compose("-p", shop.project, "logs", "worker")
    assert file.stat().st_mode & 0o777 == 0o600


def test_ps(shop: Shop, target: DockerEngine, port: int) -> None:
    rows = {r["service"]: r for r in target.containers()}
    assert rows["web"] | {"since": ""} == {
        "name": f"{shop.project}-web-1",
        "service": "web",
        "image": shop.images["1"].repository,
        "digest": str(shop.images["1"].digest),
        "state": "running",
        "health": "healthy",
        "ports": f"127.0.0.1:{port}->80/tcp",
        "since": "",
    }
    assert rows["worker"]["since"].startswith("20")


def test_logs(shop: Shop, target: DockerEngine) -> None:
    name = f"{shop.project}-worker-1"
    said = list(target.logs((), follow=False, tail=None, since=None))
    assert sorted(said) == [(name, "one"), (name, "two")]
    assert len(list(target.logs(("worker",), follow=False, tail=1, since="1h"))) == 1
    assert list(target.logs(("web",), follow=False, tail=None, since="10m")) == []
    with pytest.raises(UnknownNameError, match="no service wroker; did you mean worker"):
        list(target.logs(("wroker",), follow=False, tail=None, since=None))
    with pytest.raises(UsageError, match="'soon' is not a time"):
        list(target.logs((), follow=False, tail=None, since="soon"))


def test_logs_are_followed_until_the_container_ends(shop: Shop, target: DockerEngine) -> None:
    lines: Iterator[tuple[str, str]] = target.logs(("worker",), follow=True, tail=None, since=None)
    assert {line for _, line in itertools.islice(lines, 2)} == {"one", "two"}
    threading.Timer(0.1, docker, ("stop", "-t", "0", f"{shop.project}-worker-1")).start()
    assert list(lines) == []


def test_exec(target: DockerEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert target.exec("web", [BUSYBOX, "sh", "-c", "echo $VERSION; exit 3"], tty=False) == 3
    assert capfd.readouterr().out == "1\n"
    target.stop(["web"])
    with pytest.raises(PreconditionError, match="web does not run"):
        target.exec("web", [BUSYBOX, "true"], tty=False)


def test_run(shop: Shop, target: DockerEngine, capfd: pytest.CaptureFixture[str]) -> None:
    desired = shop.desired({"worker": worker()}, version="2")
    assert target.run(desired, "worker", ["sh", "-c", "echo $VERSION; exit 5"], tty=False) == 5
    assert capfd.readouterr().out == "2\n"
    assert len(target.containers()) == 2
    with pytest.raises(UnknownNameError, match="no service wroker; did you mean worker"):
        target.run(desired, "wroker", ["true"], tty=False)


def test_stop_and_start(target: DockerEngine) -> None:
    stopped = target.stop([])
    assert {(s.name, s.health, s.running) for s in stopped} == {
        ("web", Health.STOPPED, 0),
        ("worker", Health.STOPPED, 0),
    }
    (web_alone,) = target.start(["web"])
    assert web_alone.running == 1
    target.start([])
    wait_for(lambda: {s.health for s in target.observe().services.values()} == {Health.HEALTHY})


def test_rm(shop: Shop, engine: Engines, tmp_path: Path) -> None:
    target = engine()
    volume = {"type": "volume", "source": "data", "target": "/data", "volume": {}}
    desired = shop.desired(
        {"worker": worker(volumes=[volume])}, volumes={"data": {"name": f"{shop.project}_data"}}
    )
    deploy(target, desired)
    assert target.remove(volumes=False) == (f"{shop.project}-worker-1", f"{shop.project}_default")
    assert (
        docker("volume", "ls", "-q", "--filter", f"name={shop.project}") == f"{shop.project}_data"
    )
    deploy(target, desired)
    assert f"{shop.project}_data" in target.remove(volumes=True)
    assert target.remove(volumes=True) == ()
    assert target.observe().services == {}
    assert list((tmp_path / ".shipit" / "environments").iterdir()) == []
