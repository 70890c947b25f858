"""The command in two namespaces of a real cluster: pods are real, and pulled by their digest."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.cluster.kubernetes import Cluster
from tests.fakes.command import Shipit, commit_all
from tests.fakes.debian_registry import debian_registry
from tests.fakes.shop import forget_images

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.engine,
    pytest.mark.registry,
    pytest.mark.slow,
]

_SHIPIT = """\
app: {app}
registry: {registry}/{app}
environments:
  dev:
    target: {{kubernetes: {{kubeconfig: {kubeconfig}, namespace: {dev}}}}}
    deadline: 90s
  qa:
    after: dev
    target: {{kubernetes: {{kubeconfig: {kubeconfig}, namespace: {qa}}}}}
    deadline: 90s
"""
_COMPOSE = """\
services:
  web:
    build: &image {context: image}
    command: ["sh", "-c", "cat /www/version; exec /bin/busybox httpd -f -p 8080 -h /www"]
    user: "1000:1000"
    read_only: true
    expose: [8080]
    stop_grace_period: 1s
    healthcheck:
      test: ["CMD", "/bin/busybox", "test", "-e", "/www/healthy"]
      interval: 1s
      timeout: 5s
      retries: 3
    deploy: {replicas: 2}
  migrate:
    build: *image
    command: ["sh", "-c", "echo migrated to $$(cat /www/version)"]
    user: "1000:1000"
    x-shipit: {run: before}
"""
_DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
COPY www /www
ENTRYPOINT ["/bin/busybox"]
"""


class App:
    """A user's checkout. `spaces` are the namespaces, by environment."""

    def __init__(self, folder: Path, cluster: Cluster, registry: str, dev: str, qa: str) -> None:
        self.name = f"k{uuid.uuid4().hex[:8]}"
        self.cluster, self.folder = cluster, folder / "app"
        self.spaces = {"dev": dev, "qa": qa}
        self.shipit = Shipit(self.folder)
        (self.folder / "image/www").mkdir(parents=True)
        shutil.copy("/bin/busybox", self.folder / "image/busybox")
        self.write("image/Dockerfile", _DOCKERFILE)
        self.write("compose.yaml", _COMPOSE)
        self.write(".gitignore", ".shipit/\n")
        settings = {"app": self.name, "registry": registry, "kubeconfig": cluster.kubeconfig}
        self.write("shipit.yaml", _SHIPIT.format(**settings, **self.spaces))
        subprocess.run(["git", "init", "-q", "-b", "main"], cwd=self.folder, check=True)

    def write(self, path: str, text: str) -> None:
        (self.folder / path).write_text(text)

    def release(self, version: str, *, healthy: bool = True) -> tuple[str, str]:
        """Built; its id, and web's digest."""
        self.write("image/www/version", f"{version}\n")
        mark = self.folder / "image/www/healthy"
        mark.write_text("yes\n") if healthy else mark.unlink()
        commit_all(self.folder, f"version {version}")
        made = self.shipit.ok("build", "--json").result["release"]
        return str(made["id"]), str(made["images"]["web"])

    def runs(self, environment: str) -> set[str]:
        """The digests that the kubelet reports of web's containers."""
        path = f"/api/v1/namespaces/{self.spaces[environment]}/pods"
        pods = self.cluster.api.get(path, labelSelector="app.kubernetes.io/name=web")["items"]
        return {
            str(one["imageID"]).rpartition("@")[2]
            for pod in pods
            for one in pod["status"]["containerStatuses"]
            if not pod["metadata"].get("deletionTimestamp")
        }


@pytest.fixture
def app(kubelet_cluster: Cluster, tmp_path: Path) -> Iterator[App]:
    with (
        debian_registry(tmp_path / "registry") as registry,
        kubelet_cluster.namespace() as dev,
        kubelet_cluster.namespace() as qa,
    ):
        made = App(tmp_path, kubelet_cluster, registry, dev, qa)
        yield made
        forget_images(made.name)


def test_one_digest_from_a_build_to_real_pods_in_two_environments(app: App) -> None:
    _, digest = app.release("1")
    done = app.shipit.ok("pipeline", "--json").result
    assert [d["environment"] for d in done["deployments"]] == ["dev", "qa"]
    assert app.runs("dev") == app.runs("qa") == {digest}
    status = app.shipit.ok("status", "--json").json
    assert [e["health"] for e in status["environments"]] == ["healthy", "healthy"]
    assert "0 to update, 0 to remove" in app.shipit.ok("plan", "--env", "qa").out
    app.shipit.ok("verify", "--env", "qa")

    rows = app.shipit.ok("ps", "--env", "dev", "--json").json
    assert [row["service"] for row in rows] == ["web", "web"]
    assert "1" in app.shipit.ok("logs", "--env", "dev", "web").out
    read = ("exec", "--env", "dev", "web", "--", "/bin/busybox", "cat", "/www/version")
    assert app.shipit.ok(*read).out == "1\n"


def test_what_is_not_proven_is_rolled_back_and_held(app: App) -> None:
    first, good = app.release("1")
    app.shipit.ok("deploy", "--env", "dev")
    app.release("2", healthy=False)
    ran = app.shipit("deploy", "--env", "dev", deadline=240)
    assert ran.code == 4, ran.told()
    assert app.runs("dev") == {good}
    status = app.shipit.ok("status", "--json").json
    assert status["environments"][0]["release_id"] == first
    assert app.shipit("deploy", "--env", "dev").code == 3
