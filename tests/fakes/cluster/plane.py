"""The control plane's four processes on loopback, for one test run."""

import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.fakes.cluster import flags, program
from tests.fakes.cluster.api import Api, Json, RefusedError
from tests.fakes.cluster.certificates import Authority
from tests.fakes.cluster.flags import LOOPBACK

_DEADLINE = 120.0  # seconds for a part to answer, on a machine that is busy
_TAKEN = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FROM, _TO = (int(number) for number in _TAKEN.read_text().split())
_PORTS = [port for port in range(5_000, 65_000) if not _FROM <= port <= _TO]
_PATIENCE = 15.0  # seconds for a part to end when asked to
# Who asked for what, without bodies: tests and benchmarks count requests by client.
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


class Plane:
    """The control plane's processes. They end with this one, also when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self.audit = folder / "audit.log"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._flags: dict[str, list[str]] = {}
        self.authority = Authority(folder)

    def start(self) -> None:
        ports = dict(zip(("etcd", "peer", "api"), free_ports(3), strict=True))
        self.server = f"https://{LOOPBACK}:{ports['api']}"
        self._sign()
        self.api = Api(self.server, self.tls())
        etcd, peer = (f"http://{LOOPBACK}:{ports[name]}" for name in ("etcd", "peer"))
        self._flags["etcd"] = flags.etcd(self.folder, etcd, peer)
        self._flags["kube-apiserver"] = flags.apiserver(self.folder, etcd, ports["api"])
        self._flags["kube-controller-manager"] = flags.controllers(self.folder)
        self._flags["kube-scheduler"] = flags.scheduler(self.folder)
        self._start("etcd")
        self._until("etcd", lambda: _is_healthy(ports["etcd"]))
        self._start("kube-apiserver")
        self._until("kube-apiserver", self._is_ready)
        self._start("kube-controller-manager")
        self._start("kube-scheduler")
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._until("kube-controller-manager", lambda: bool(self.api.get(account)))

    def stop(self) -> None:
        self.api.close()
        for part in reversed(self._running):
            self._end(part)

    def restart(self, part: str = "kube-apiserver") -> None:
        """Kills it and starts it again on the same port; returns when it answers.

        Asked to end, it would wait for its watches for up to a minute.
        """
        self._running[part].kill()
        self._end(part)
        self._start(part)
        self._until(part, self._is_ready)

    def pause(self, part: str) -> None:
        """It stands still, as a machine that is too busy, until `resume`."""
        self._running[part].send_signal(signal.SIGSTOP)

    def resume(self, part: str) -> None:
        self._running[part].send_signal(signal.SIGCONT)

    def memory(self) -> dict[str, int]:
        """Resident bytes, by part."""
        pages = {
            part: int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            for part, process in self._running.items()
        }
        return {part: count * os.sysconf("SC_PAGE_SIZE") for part, count in pages.items()}

    def requests(self, agent: str = "") -> list[Json]:
        """The audit events of requests by clients whose user agent starts so, oldest first."""
        lines = self.audit.read_bytes().splitlines() if self.audit.exists() else []
        events: list[Json] = [json.loads(line) for line in lines if line.endswith(b"}")]
        return [e for e in events if str(e.get("userAgent", "")).startswith(agent)]

    def _sign(self) -> None:
        admin = self.authority.sign("admin", user="test-admin", group="system:masters")
        self.authority.sign("server", user="kube-apiserver", addresses=(LOOPBACK, "10.96.0.1"))
        self.authority.sign("accounts", user="service accounts")
        (self.folder / "audit.yaml").write_text(json.dumps(_AUDIT))
        self.kubeconfig.write_text(json.dumps(kubeconfig(self.server, self.folder, admin)))
        self.kubeconfig.chmod(0o600)

    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        return context

    def _start(self, part: str) -> None:
        with (self.folder / f"{part}.log").open("ab") as log:
            self._running[part] = subprocess.Popen(
                [*program.argv(part), *self._flags[part]],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | {"ENDS_WITH_STDIN": "1"},
            )

    def _end(self, part: str) -> None:
        process = self._running[part]
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_PATIENCE)
        if process.stdin:
            process.stdin.close()

    def _is_ready(self) -> bool:
        return self.api.text("/readyz") == "ok"

    def _until(self, part: str, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + _DEADLINE
        while time.monotonic() < end:
            if self._running[part].poll() is not None:
                break
            try:
                if holds():
                    return
            except (OSError, HTTPException, RefusedError):
                pass
            time.sleep(0.05)
        log = (self.folder / f"{part}.log").read_text(errors="replace")
        raise RuntimeError(f"{part} did not answer: {log[-3000:]}")


@contextmanager
def running(folder: Path) -> Iterator[Plane]:
    """As long as the block; its data goes with it."""
    plane = Plane(folder)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
        shutil.rmtree(folder / "etcd", ignore_errors=True)


def kubeconfig(server: str, folder: Path, certificate: Path, namespace: str = "default") -> Json:
    user = {
        "client-certificate": str(certificate),
        "client-key": str(certificate.with_suffix(".key")),
    }
    cluster = {"server": server, "certificate-authority": str(folder / "ca.crt")}
    context = {"cluster": "test", "user": "test", "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": context}],
    }


def free_ports(count: int) -> list[int]:
    """All of them held at once, so that no two are the same.

    None that the kernel gives to connections: it may be taken between here and the process that
    is to listen.
    """
    found: dict[int, socket.socket] = {}
    try:
        while len(found) < count:
            probe, port = socket.socket(), random.choice(_PORTS)
            try:
                probe.bind((LOOPBACK, port))
                found[port] = probe
            except OSError:
                probe.close()
        return list(found)
    finally:
        for one in found.values():
            one.close()


def _is_healthy(port: int) -> bool:
    connection = HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    finally:
        connection.close()
