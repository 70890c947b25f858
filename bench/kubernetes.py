"""A rollout on Kubernetes, against `kubectl apply --server-side` and `kubectl rollout status`.

Both talk to the same control plane (a real one, on loopback) and ask for the same objects in
namespaces of their own, taking turns. Its node starts no containers: pods get ready after
START seconds, so that what is measured is the client. Requests are those of the audit log.

"The target alone" is observe, plan, rehearse, apply, follow and prove in a process of its own, as
kubectl's two processes are; "the command" is `shipit deploy` itself, with its gates, its lease and
a ledger in a folder, for images that are known.
"""

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.measure import PYTHON, ROOT, Result, seconds
from shipit.model import codec
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.targets.kubernetes.render import Setting, render
from tests.fakes.cluster import program
from tests.fakes.cluster.checkout import Checkout
from tests.fakes.cluster.kubernetes import Cluster, cluster
from tests.fakes.cluster.story import runs

RUNS = 7
START = 2.0  # seconds until a container is ready: pulled, started, and asked once
MANY = 20  # services in one environment
CROWD = 2000  # pods in one namespace
_KUBECTL = str(ROOT / ".venv/bin/kubectl")
_MEMORY = 150_000.0  # kilobytes


class Run(NamedTuple):
    """`wall` and `late` in ms; `late`: from the last Deployment available to the exit."""

    wall: float
    late: float
    requests: int


def run() -> Iterator[Result]:
    if program.missing():
        print(program.missing())
        return
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as found:
        assert found.node, "the benchmark has to tell the node how long containers take"
        found.node.when(runs(after=START))
        yield from _against_kubectl(found)
        yield from _many(found)
        yield from _crowd(found)


def _against_kubectl(found: Cluster) -> Iterator[Result]:
    with (
        found.namespace() as ours,
        found.namespace() as whole,
        found.namespace() as peer,
        tempfile.TemporaryDirectory() as folder,
    ):
        checkout = Checkout(Path(folder), found.kubeconfig, whole)
        rounds = []
        for version in range(RUNS + 1):
            desired = _desired(1, str(version))
            by_command = _command(found, checkout, whole, desired)
            rounds.append((_ours(found, ours, desired), by_command, _kubectl(found, peer, desired)))
    alone, command, its = (list(side) for side in zip(*rounds[1:], strict=True))
    for who, mine in (("the target alone", alone), ("the command", command)):
        for what, field in (("wall time, ms", "wall"), ("API requests", "requests")):
            yield _against(f"Kubernetes, one change, {who}, {what}", mine, its, field)
    late, other = (statistics.median(one.late for one in side) for side in (alone, its))
    yield Result("from available to the exit, ms (limit: 200)", late, other, late / 200, 1.0)


def _against(name: str, ours: list[Run], peer: list[Run], field: str) -> Result:
    mine, its = (statistics.median(getattr(one, field) for one in side) for side in (ours, peer))
    return Result(name, mine, its, mine / its, 1.0)


def _many(found: Cluster) -> Iterator[Result]:
    """What twenty services take, against one."""
    with found.namespace() as one, found.namespace() as many:
        pairs = [
            (
                _ours(found, many, _desired(MANY, str(version))).wall,
                _ours(found, one, _desired(1, str(version))).wall,
            )
            for version in range(RUNS + 1)
        ][1:]
    mine, its = (statistics.median(side) for side in zip(*pairs, strict=True))
    yield Result(f"{MANY} services on Kubernetes against one, ms", mine, its, mine / its, 1.5)


def _crowd(found: Cluster) -> Iterator[Result]:
    """The memory of a deployment that brings up very many pods, and of `ps` over them."""
    assert found.node
    found.node.when(runs())
    with found.namespace() as space:
        desired = _desired(1, "0", replicas=CROWD)
        peaks = {"": _told(found, space, desired)["peak"]}
        peaks[", shipit ps"] = _told(found, space, desired, "ps")["peak"]
    for what, peak in peaks.items():
        name = f"{CROWD} pods on Kubernetes{what}, peak memory, kB (limit)"
        yield Result(name, peak, _MEMORY, peak / _MEMORY, 1.0)


def _ours(found: Cluster, namespace: str, desired: Desired) -> Run:
    with _timed(found, namespace, "shipit/") as measured:
        _told(found, namespace, desired)
    return measured[0]


def _command(found: Cluster, checkout: Checkout, namespace: str, desired: Desired) -> Run:
    services = desired.project["services"]
    images = desired.images
    checkout.release(desired.release_id, {n: (images[n], services[n]) for n in services})
    with _timed(found, namespace, "shipit/") as measured:
        checkout.shipit.ok("deploy", "--env", "dev", "--release", desired.release_id)
    return measured[0]


def _told(found: Cluster, namespace: str, desired: Desired, verb: str = "deploy") -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(codec.encode(desired))
        file.flush()
        told = (file.name, str(found.kubeconfig), namespace, verb)
        argv = [PYTHON, "-m", "bench._on_kubernetes", *told]
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=900, check=False, cwd=ROOT
        )
    if done.returncode:
        raise RuntimeError(f"shipit did not {verb}: {done.stdout}{done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _kubectl(found: Cluster, namespace: str, desired: Desired) -> Run:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(_listed(desired, namespace), file)
        file.flush()
        base = [_KUBECTL, f"--kubeconfig={found.kubeconfig}", "-n", namespace]
        with _timed(found, namespace, "kubectl") as measured:
            seconds([*base, "apply", "--server-side", "-f", file.name])
            seconds([*base, "rollout", "status", f"deployment/{desired.services[0]}"])
    return measured[0]


@contextmanager
def _timed(found: Cluster, namespace: str, agent: str) -> Iterator[list[Run]]:
    """One run of a client that calls itself so, in a list that has it after the block."""
    assert found.plane
    before = len(found.plane.requests())
    measured: list[Run] = []
    began = time.time()
    yield measured
    ended = time.time()
    events = found.plane.requests()[before:]
    mine = {e["auditID"] for e in events if str(e.get("userAgent", "")).startswith(agent)}
    written = [
        datetime.fromisoformat(e["stageTimestamp"]).timestamp()
        for e in events
        if e["requestURI"].startswith(f"/apis/apps/v1/namespaces/{namespace}/deployments/")
        and e["requestURI"].endswith("/status")
    ]
    late = ended - max(written, default=ended)
    measured.append(Run((ended - began) * 1000, late * 1000, len(mine)))


def _listed(desired: Desired, namespace: str) -> dict[str, Any]:
    """The same objects, as kubectl is given them."""
    objects = render(desired, Setting(namespace=namespace)).objects
    return {"apiVersion": "v1", "kind": "List", "items": list(objects)}


def _desired(count: int, version: str, *, replicas: int = 2) -> Desired:
    names = tuple(f"web-{number}" for number in range(count))
    images = {n: Image("registry.test/shop/web", Digest.of(version.encode())) for n in names}
    services = {
        name: {
            "image": images[name].reference,
            "command": ["httpd", "-f"],
            "environment": {"VERSION": version},
            "ports": [{"mode": "ingress", "target": 80, "published": "80", "protocol": "tcp"}],
            "networks": {"default": None},
            "user": "1000",
            "deploy": {"replicas": replicas},
            "healthcheck": {"test": ["CMD", "wget", "-qO-", "http://127.0.0.1/"]},
        }
        for name in names
    }
    project = {
        "name": "shop-dev",
        "networks": {"default": {"name": "shop-dev_default"}},
        "services": services,
    }
    return Desired(
        app="shop",
        environment="dev",
        release=Digest.of(version.encode()),
        release_id=f"r{version}",
        project=project,
        images=images,
        services=names,
        deadline=600,
    )
