"""examples/shop as a user's own checkout: its own name and ports, its health looked at often."""

import json
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from shipit.ledger import Ledger
from shipit.model.state import EnvironmentState
from tests.fakes.command import Shipit, commit_all, contents
from tests.fakes.engine import docker

EXAMPLE = Path(__file__).parents[2] / "examples" / "shop"
ENVIRONMENTS = ("dev", "qa", "staging", "production")
HEALTH = "http://127.0.0.1:8080/healthz"


class Shop:
    """`ports` are where web answers, by environment; `shipit` is the command, run in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shop"
        self.app = f"c{uuid.uuid4().hex[:8]}"
        self.ports = dict(zip(ENVIRONMENTS, free_ports(len(ENVIRONMENTS)), strict=True))
        self.shipit = Shipit(self.folder)
        ignored = shutil.ignore_patterns(".shipit", "bin", ".git")
        shutil.copytree(EXAMPLE, self.folder, ignore=ignored)
        subprocess.run(["./prepare"], cwd=self.folder, check=True)
        self.replace("shipit.yaml", "app: shop", f"app: {self.app}")
        for number, (name, port) in enumerate(self.ports.items(), start=8081):
            self.replace("shipit.yaml", f"127.0.0.1:{number}", f"127.0.0.1:{port}")
            self.replace(f"compose.{name}.yaml", f"127.0.0.1:{number}", f"127.0.0.1:{port}")
        self.replace("compose.yaml", "interval: 2s", "interval: 300ms")
        self.replace("worker/Dockerfile", "--interval=2s", "--interval=300ms")
        self.commit_id = self.commit("the shop")

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new))

    def commit(self, message: str = "a change") -> str:
        """The commit's first seven digits, which are its release's id."""
        return commit_all(self.folder, message)[:7]

    def build(self) -> str:
        """A release of the folder as it is; its id."""
        return str(self.shipit.ok("build", "--json").result["release"]["id"])

    def deployed(self, environment: str = "dev") -> str:
        """Built and brought into the first environment (or the ones on the way); the id."""
        result = self.shipit.ok("pipeline", "--to", environment, "--json").result
        return str(result["release_id"])

    def project(self, environment: str) -> str:
        return f"{self.app}-{environment}"

    def record(self) -> dict[str, bytes]:
        """The ledger's bytes."""
        return contents(self.folder / ".shipit" / "ledger")

    def state(self, environment: str) -> EnvironmentState:
        return Ledger.open("", root=self.folder).read().environment(environment)

    def running(self, environment: str) -> str:
        """The id of the release that the record says runs there; "" for none."""
        current = self.state(environment).current
        return current.release_id if current else ""

    def containers(self) -> dict[str, str]:
        """The state of every container that is to run on, in every environment, by its id."""
        lasting = ("--filter", "label=com.docker.compose.oneoff=False")
        columns = "{{.ID}} {{.State}} {{.Names}}"
        lines = docker("ps", "--all", "--no-trunc", *lasting, "--format", columns)
        rows = [line.split() for line in lines.splitlines()]
        return {row[0]: row[1] for row in rows if row[2].startswith(f"{self.app}-")}

    def tasks(self, environment: str) -> list[str]:
        """The names of the one-off containers that are there, running or not."""
        label = f"label=com.docker.compose.project={self.project(environment)}"
        once = ("--filter", "label=com.docker.compose.oneoff=True", "--filter", label)
        return docker("ps", "--all", *once, "--format", "{{.Names}}").split()

    def inspect(self, environment: str, service: str, number: int = 1) -> dict[str, Any]:
        name = f"{self.project(environment)}-{service}-{number}"
        found: dict[str, Any] = json.loads(docker("inspect", name))[0]
        return found

    def clean(self) -> None:
        for environment in ENVIRONMENTS:
            label = f"label=com.docker.compose.project={self.project(environment)}"
            _remove(["ps", "--all"], ["rm", "--force", "--volumes"], label)
            _remove(["network", "ls"], ["network", "rm"], label)
            _remove(["volume", "ls"], ["volume", "rm"], label)
        forget_images(self.app)


def _remove(listing: list[str], removing: list[str], which: str) -> None:
    found = set(docker(*listing, "--quiet", "--filter", which).split())
    if found:
        docker(*removing, *found)


def forget_images(app: str) -> None:
    """By their names: another application's image of the same content keeps its own."""
    columns = "{{.Repository}} {{.Tag}} {{.Digest}}"
    listed = docker("image", "ls", "--digests", "--format", columns)
    rows = [line.split() for line in listed.splitlines()]
    names = {
        f"{repository}{mark}{value}"
        for repository, tag, digest in rows
        for mark, value in ((":", tag), ("@", digest))
        if f"/{app}/" in repository and value != "<none>"
    }
    # A digest's name goes with the last tag: that it is gone already is as good.
    subprocess.run(["docker", "image", "rm", *sorted(names)], capture_output=True, check=False)


@contextmanager
def opened_shop(folder: Path) -> Iterator[Shop]:
    """It is cleaned away at the end, images too."""
    shop = Shop(folder)
    try:
        yield shop
    finally:
        shop.clean()


def free_ports(count: int) -> list[int]:
    """All held at once, so that they differ."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
