"""A node whose pods are real: a kubelet over a containerd of its own, with a network of its own.

Needs root, containerd, runc and the CNI plugins, and an engine to make the sandbox's image with.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.fakes.cluster import program
from tests.fakes.cluster.api import Json, RefusedError
from tests.fakes.cluster.plane import Plane, free_ports

NAME = "node-real"
_SANDBOX = "shipit.test/sandbox:1"
_PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")
_DEADLINE = 60.0  # seconds for the node to be ready, and for its pods to be gone
_PATIENCE = 15.0  # seconds for a process to end when asked to
_WITH_US = ("setpriv", "--pdeathsig", "TERM")  # ends when this process does, also when it is killed
_DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
CMD ["/bin/busybox", "sleep", "1000000"]
"""
# Without the score of the out-of-memory killer, which runc may not lower in every sandbox.
_CONTAINERD = """\
version = 2
root = "{folder}/images"
state = "{folder}/state"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/net.d"
"""


def missing() -> str:
    """Why no kubelet can run here, "" when one can. It is asked for: it wants a machine to itself,
    whose runc now and then refuses a container under load."""
    if not os.environ.get("SHIPIT_TEST_KUBELET"):
        return "SHIPIT_TEST_KUBELET=1 runs pods on a real kubelet: `make test-kubelet`"
    if not program.argv("kubelet"):
        return "no kubelet: `scripts/control-plane` builds it where Go is there"
    absent = [name for name in ("containerd", "ctr", "runc", "setpriv") if not _path(name)]
    if absent:
        return f"no {', '.join(absent)}: the Docker engine's packages have them"
    if not _plugins():
        return "no CNI plugins: `apt install containernetworking-plugins`"
    return "" if os.geteuid() == 0 else "a kubelet needs root"


class Kubelet:
    """The node's two processes. They end with this one."""

    def __init__(self, plane: Plane, folder: Path) -> None:
        self.plane, self.folder = plane, folder
        self.bridge = f"shipit{uuid.uuid4().hex[:6]}"
        self.network = f"10.2{os.getpid() % 50:02}.{int(self.bridge[-2:], 16)}"
        self.address = f"{self.network}.1"
        # Paths of sockets are short.
        self._socket = Path("/run") / f"{self.bridge}.sock"
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self._make_network()
        self._start(
            "containerd", [*_WITH_US, _path("containerd"), "--config", str(self._containerd())]
        )
        self._until("containerd", lambda: self._ctr("version") == 0)
        assert self._ctr("-n", "k8s.io", "images", "import", str(self._sandbox())) == 0
        self._start("kubelet", self._kubelet())
        self._until("kubelet", self._is_ready)

    def stop(self) -> None:
        with suppress(RefusedError, TimeoutError):
            self._let_go()
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(_PATIENCE)
            if process.stdin:
                process.stdin.close()
        subprocess.run([_path("ip"), "link", "del", self.bridge], check=False, timeout=30)
        for socket in Path("/run").glob(f"{self.bridge}.sock*"):
            socket.unlink()
        self._unmount()
        for group in sorted(Path("/sys/fs/cgroup").glob("**/kubepods/**/"), reverse=True):
            with suppress(OSError):  # another kubelet's, or gone with its parent
                group.rmdir()

    def _make_network(self) -> None:
        """The bridge is there before the first pod: the node has its address."""
        ip = _path("ip")
        for words in (
            ("link", "add", self.bridge, "type", "bridge"),
            ("addr", "add", f"{self.address}/24", "dev", self.bridge),
            ("link", "set", self.bridge, "up"),
        ):
            subprocess.run([ip, *words], check=True, timeout=30)
        plugin = {
            "type": "bridge",
            "bridge": self.bridge,
            "isGateway": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.folder / "addresses"),
                "ranges": [[{"subnet": f"{self.network}.0/24", "gateway": self.address}]],
            },
        }
        made = {"cniVersion": "0.4.0", "name": self.bridge, "plugins": [plugin]}
        (self.folder / "net.d").mkdir(parents=True)
        (self.folder / "net.d/10-test.conflist").write_text(json.dumps(made))

    def _containerd(self) -> Path:
        path = self.folder / "containerd.toml"
        path.write_text(
            _CONTAINERD.format(
                folder=self.folder, socket=self._socket, sandbox=_SANDBOX, plugins=_plugins()
            )
        )
        return path

    def _sandbox(self) -> Path:
        """The image of the process that holds a pod's network: anything that sleeps."""
        folder = self.folder / "sandbox"
        folder.mkdir()
        shutil.copy("/bin/busybox", folder / "busybox")
        (folder / "Dockerfile").write_text(_DOCKERFILE)
        archive = self.folder / "sandbox.tar"
        for words in (
            ("build", "--quiet", "--tag", _SANDBOX, str(folder)),
            ("save", "--output", str(archive), _SANDBOX),
        ):
            subprocess.run(["docker", *words], check=True, capture_output=True, timeout=120)
        return archive

    def _kubelet(self) -> list[str]:
        signed = self.plane.authority.sign("kubelet", user="kubelet", addresses=(self.address,))
        (port,) = free_ports(1)
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.address,
            "port": port,
            "healthzPort": 0,
            "tlsCertFile": str(signed),
            "tlsPrivateKeyFile": str(signed.with_suffix(".key")),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(self.plane.authority.certificate)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{self._socket}",
            "podLogsDir": str(self.folder / "pods"),
            "volumePluginDir": str(self.folder / "volume-plugins"),
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "failSwapOn": False,
            "resolvConf": "/dev/null",  # some machines have no name server that a pod may use
            "clusterDNS": [self.address],  # nobody answers there; without it every pod is warned
            "enforceNodeAllocatable": [],
            "makeIPTablesUtilChains": False,
            "evictionHard": {"memory.available": "0%", "nodefs.available": "0%"},
            "imageGCHighThresholdPercent": 100,
            "syncFrequency": "5s",
        }
        path = self.folder / "kubelet.json"
        path.write_text(json.dumps(config))
        return [
            *program.argv("kubelet"),
            f"--config={path}",
            f"--kubeconfig={self.plane.kubeconfig}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet'}",
            f"--hostname-override={NAME}",
            f"--node-ip={self.address}",
        ]

    def _start(self, name: str, argv: list[str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self._running.append(
                subprocess.Popen(
                    argv,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env=os.environ | {"ENDS_WITH_STDIN": "1"},
                )
            )

    def _ctr(self, *words: str) -> int:
        argv = [_path("ctr"), "--address", str(self._socket), *words]
        return subprocess.run(argv, capture_output=True, check=False, timeout=60).returncode

    def _is_ready(self) -> bool:
        try:
            node = self.plane.api.get(f"/api/v1/nodes/{NAME}")
        except RefusedError:
            return False
        conditions: list[Json] = node["status"].get("conditions", [])
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def _let_go(self) -> None:
        """Every pod ends before its kubelet does: nothing of it is left on the machine."""
        mine = f"spec.nodeName={NAME}"
        for pod in self.plane.api.get("/api/v1/pods", fieldSelector=mine)["items"]:
            meta = pod["metadata"]
            with suppress(RefusedError):
                self.plane.api.delete(f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}")
        end = time.monotonic() + _DEADLINE
        while self.plane.api.get("/api/v1/pods", fieldSelector=mine)["items"]:
            if time.monotonic() > end:
                raise TimeoutError(f"pods are left on {NAME}")
            time.sleep(0.1)

    def _unmount(self) -> None:
        """The kubelet's own folder, and what pods mounted below it."""
        points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for point in sorted((p for p in points if p.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run([_path("umount"), "--lazy", point], check=False, timeout=30)

    def _until(self, name: str, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + _DEADLINE
        while time.monotonic() < end and self._running[-1].poll() is None:
            if holds():
                return
            time.sleep(0.1)
        log = (self.folder / f"{name}.log").read_text(errors="replace")
        raise RuntimeError(f"{name} did not get ready: {log[-3000:]}")


@contextmanager
def kubelet(plane: Plane) -> Iterator[Kubelet]:
    """In a folder of its own: pytest could not clear away one that has something mounted in it."""
    node = Kubelet(plane, Path(tempfile.mkdtemp(prefix="shipit-kubelet-")))
    try:
        node.start()
        yield node
    finally:
        node.stop()
        shutil.rmtree(node.folder, ignore_errors=True)


def _path(name: str) -> str:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin") or ""


def _plugins() -> str:
    return next((path for path in _PLUGINS if Path(path, "bridge").exists()), "")
