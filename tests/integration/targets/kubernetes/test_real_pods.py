"""exec, run and tasks in real containers, by a real kubelet."""

import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import KubernetesTarget
from shipit.model.progress import Failed, Progress, Succeeded
from shipit.targets.kubernetes import commands, execute, names, rbac
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.execute import Streams
from shipit.targets.kubernetes.logs import Following, Wanted
from shipit.targets.kubernetes.reach import reach
from shipit.targets.kubernetes.reach.access import Access
from shipit.targets.kubernetes.tasks import Run
from tests.fakes.cluster.kubernetes import Cluster as RealCluster
from tests.fakes.engine import SH, pushed

pytestmark = [pytest.mark.cluster, pytest.mark.engine]
Json = dict[str, Any]
BUSYBOX = "/bin/busybox"
SHELL = [BUSYBOX, *SH]


class Ground:
    """A namespace with images to run, and a client of it."""

    def __init__(self, found: RealCluster, namespace: str, image: Image, folder: Path) -> None:
        self.found, self.namespace, self.image = found, namespace, image
        settings = KubernetesTarget(kubeconfig=str(found.context(namespace, folder)))
        self.cluster = Cluster(reach(settings, root="/", environment="dev"), namespace)
        self.desired = Desired(
            app="shop",
            environment="dev",
            release=Digest.of(b"release"),
            release_id="1",
            project={"services": {"web": {}}},
            images={"web": image},
            services=("web",),
            before=("web",),
            deadline=60,
        )

    @property
    def selector(self) -> str:
        return f"{names.NAME}=web"

    def template(self, script: str) -> Json:
        container = {"name": "web", "image": self.image.reference, "command": [*SHELL, script]}
        spec = {
            "containers": [container],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
        }
        return {"metadata": {"labels": names.labels(self.desired, "web")}, "spec": spec}

    def pod(self, script: str) -> None:
        one = {"apiVersion": "v1", "kind": "Pod", **self.template(script)}
        one["metadata"]["name"] = "web"
        self.found.kubectl("-n", self.namespace, "create", "-f", "-", stdin=json.dumps(one))
        wait = ("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
        self.found.kubectl("-n", self.namespace, *wait)

    def job(self, script: str, key: str = "1") -> Json:
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": f"shop-dev-web-{key}",
                "labels": names.labels(self.desired, "web"),
            },
            "spec": {"backoffLimit": 0, "template": self.template(script)},
        }


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with pushed(tmp_path_factory.mktemp("images"), "1") as images:
        yield images["1"]


@pytest.fixture
def ground(kubelet_cluster: RealCluster, image: Image, tmp_path: Path) -> Iterator[Ground]:
    with kubelet_cluster.namespace() as namespace:
        yield Ground(kubelet_cluster, namespace, image, tmp_path)


class Mine:
    """This process's streams, in memory."""

    def __init__(self, stdin: Any) -> None:
        self.stdout, self.stderr = io.BytesIO(), io.BytesIO()
        self.streams = Streams(stdin, self.stdout, self.stderr)


def mine(monkeypatch: pytest.MonkeyPatch, stdin: Any = None) -> Mine:
    made = Mine(stdin if stdin is not None else io.BytesIO(b""))
    monkeypatch.setattr(execute, "own_streams", lambda: made.streams)
    return made


def run_in(ground: Ground, command: Sequence[str], *, tty: bool = False) -> int:
    return execute.execute(ground.cluster, ground.selector, "web", command, tty=tty)


def test_exec(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.pod("exec /bin/busybox sleep 1000")
    own = mine(monkeypatch)
    assert run_in(ground, [*SHELL, "echo out; echo err >&2; exit 42"]) == 42
    assert (own.stdout.getvalue(), own.stderr.getvalue()) == (b"out\n", b"err\n")

    data = os.urandom(3_000_000)
    own = mine(monkeypatch, io.BytesIO(data))
    assert run_in(ground, [BUSYBOX, "cat"]) == 0
    assert own.stdout.getvalue() == data

    own = mine(monkeypatch)
    with pytest.raises(Exception, match="could not be run") as caught:
        run_in(ground, ["/no/such/program"])
    assert "/no/such/program" in str(caught.value)


def test_exec_with_a_terminal(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.pod("exec /bin/busybox sleep 1000")
    person, ours = os.openpty()
    os.set_inheritable(ours, False)
    with os.fdopen(ours, "rb", buffering=0) as stdin:
        _resize(ours, 101, 33)
        own = mine(monkeypatch, stdin)

        def types() -> None:
            _until(lambda: b"ready" in own.stdout.getvalue())
            os.write(person, b"/bin/busybox stty size\n")
            _until(lambda: b"33 101" in own.stdout.getvalue())
            os.write(person, b"exit 5\n")

        typing = threading.Thread(target=types)
        typing.start()
        assert run_in(ground, [*SHELL, "echo ready; exec /bin/busybox sh"], tty=True) == 5
        typing.join()
    os.close(person)
    assert own.stderr.getvalue() == b""


def _resize(descriptor: int, columns: int, lines: int) -> None:
    import fcntl
    import struct
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def _until(holds: Any) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_task(ground: Ground) -> None:
    one = Run(ground.cluster, ground.desired, "web", ground.job("echo one; echo two"))
    *said, outcome = one.run()
    assert outcome == Succeeded({"web": ground.image.digest})
    lines = [line for step in said if isinstance(step, Progress) for line in step.logs]
    assert lines == ["one", "two"]
    failing = Run(ground.cluster, ground.desired, "web", ground.job("echo no; exit 7", "2"))
    *_, outcome = failing.run()
    assert isinstance(outcome, Failed)
    assert (outcome.reasons[0].what, outcome.reasons[0].logs) == (
        "ended with exit code 7",
        ("no",),
    )


def test_run_prints_what_it_writes_and_goes(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    job = ground.job("for n in 1 2 3; do echo line $n; done; exit 3")
    assert commands.run(ground.cluster, ground.desired, "web", job, tty=False) == 3
    assert capsys.readouterr().out == "line 1\nline 2\nline 3\n"
    assert ground.cluster.list("batch/v1", "Job") == []


def test_run_with_a_terminal(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    person, ours = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as stdin:
        own = mine(monkeypatch, stdin)

        def types() -> None:
            time_over = time.monotonic() + 60
            while b"got hello" not in own.stdout.getvalue() and time.monotonic() < time_over:
                os.write(person, b"hello\n")
                time.sleep(0.5)

        typing = threading.Thread(target=types)
        typing.start()
        job = ground.job("read word; echo got $word; exit 4")
        assert commands.run(ground.cluster, ground.desired, "web", job, tty=True) == 4
        typing.join()
    os.close(person)
    assert b"got hello" in own.stdout.getvalue()


def test_logs_follow_a_container_that_starts_again(ground: Ground) -> None:
    template = ground.template("echo started; /bin/busybox sleep 1; exit 1")
    template["spec"]["restartPolicy"] = "Always"
    one = {"apiVersion": "v1", "kind": "Pod", **template}
    one["metadata"]["name"] = "web"
    following = Following(ground.cluster, ground.selector, Wanted())
    ground.found.kubectl("-n", ground.namespace, "create", "-f", "-", stdin=json.dumps(one))
    try:
        assert following.next(60) == ("web", "started")
        assert following.next(60) == ("web", "started")
    finally:
        following.close()


def test_the_role_is_enough_for_exec_and_a_terminal(
    ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server that enforces it: these two are asked of no fake node."""
    found, space = ground.found, ground.namespace
    found.kubectl("-n", space, "create", "serviceaccount", "deployer")
    role = rbac.role("deployer", space, list(rbac.ALWAYS))
    bound = rbac.binding("deployer", space, rbac.subject_of("ServiceAccount", "deployer", space))
    for one in (role, bound):
        found.kubectl("-n", space, "create", "-f", "-", stdin=json.dumps(one))
    token = found.kubectl("-n", space, "create", "token", "deployer").strip()
    access = ground.cluster.access
    ground.cluster = Cluster(
        Access(
            server=access.server, name="the cluster", ca=access.ca, authorization=_bearer(token)
        ),
        space,
    )
    ground.pod("exec /bin/busybox sleep 1000")
    own = mine(monkeypatch)
    assert run_in(ground, [*SHELL, "echo out"]) == 0
    assert own.stdout.getvalue() == b"out\n"
    job = ground.job("read word; echo $word; exit 4")
    mine(monkeypatch, io.BytesIO(b"hello\n"))
    assert commands.run(ground.cluster, ground.desired, "web", job, tty=True) == 4


def _bearer(token: str) -> Callable[[bool], str]:
    return lambda _: f"Bearer {token}"
