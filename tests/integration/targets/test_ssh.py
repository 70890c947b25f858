"""An engine behind ssh. For the tunnel it lives in a network namespace, where the port is free."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.errors import PreconditionError
from shipit.model.image import Image
from shipit.model.progress import Succeeded
from shipit.targets.docker.target import DockerEngine
from shipit.targets.engine.tunnel import lent
from tests.fakes import far_engine
from tests.fakes.engine import Shop, deploy, web

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(bool(far_engine.missing()), reason=far_engine.missing()),
]
HOST = "ssh://root@far.test"


@pytest.fixture
def reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts an `ssh` on PATH that reaches far.test; `through` is what starts its sshd."""
    far = far_engine.FarEngine(tmp_path, "far.test")

    def make(*through: str, key: str = "user") -> None:
        monkeypatch.setenv("PATH", far.reach(*through, key=key))

    return make


def test_a_rollout_and_its_verbs(
    shop: Shop, engine: Callable[..., DockerEngine], reach: Callable[..., None]
) -> None:
    reach()
    for image in shop.images.values():  # so that it has to be pulled from this machine's loopback
        subprocess.run(["docker", "rmi", image.reference], capture_output=True, check=False)
    target = engine(HOST)
    desired = shop.desired({"web": web()})
    findings = list(target.check(desired))
    assert [f for f in findings if f.level == "error"] == []
    assert HOST in findings[0].what
    _, _, outcome = deploy(target, desired)
    assert outcome == Succeeded({"web": shop.images["1"].digest})
    assert target.exec("web", ["/bin/busybox", "true"], tty=False) == 0
    assert not target.plan(desired, target.observe()).changed
    assert target.remove(volumes=False)


def test_what_ssh_says_is_passed_on(
    engine: Callable[..., DockerEngine], reach: Callable[..., None]
) -> None:
    reach(key="host")
    with pytest.raises(PreconditionError) as raised:
        engine(HOST).observe()
    assert raised.value.what == f"no Docker engine answers at {HOST} (host in shipit.yaml)"
    assert "Permission denied" in raised.value.why


@pytest.fixture
def namespace() -> Iterator[str]:
    if not shutil.which("ip"):
        pytest.skip("needs iproute2")
    name = f"shipit-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    yield name
    subprocess.run(["ip", "netns", "del", name], check=True)


def test_this_machines_registry_is_lent_to_the_far_side(
    namespace: str, reach: Callable[..., None]
) -> None:
    reach("ip", "netns", "exec", namespace)
    with socket.socket() as registry:
        registry.bind(("127.0.0.1", 0))
        registry.listen()
        port = registry.getsockname()[1]

        def answer() -> None:
            connection, _ = registry.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nfrom here")

        serving = threading.Thread(target=answer, daemon=True)
        serving.start()
        fetch = ("ip", "netns", "exec", namespace, "busybox", "wget", "-qO-")
        with lent(HOST, [port]):
            fetched = subprocess.run(
                [*fetch, f"http://127.0.0.1:{port}/v2/"],
                capture_output=True,
                timeout=20,
                check=True,
            )
        serving.join(10)
    assert fetched.stdout == b"from here"


def test_an_engine_elsewhere_cannot_have_this_machines_registry(
    shop: Shop, engine: Callable[..., DockerEngine]
) -> None:
    from shipit.targets.docker import check
    from shipit.targets.engine.address import Address

    desired = shop.desired({"web": web()})
    (finding,) = check.registry(Address("tcp://10.0.0.1:2375", ""), desired)
    assert finding.level == "error"
    assert "set `registry:`" in finding.next_step
    desired.images["web"] = Image("registry.test/web", desired.images["web"].digest)
    assert list(check.registry(Address("tcp://10.0.0.1:2375", ""), desired)) == []
