"""A small application as a user has it: a repository, shipit.yaml, compose.yaml, real commands.

One web service with a health check, and a task that runs before and appends its version to `marks`.
"""

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

from shipit.ledger import Ledger
from shipit.model.state import EnvironmentState
from tests.fakes.engine import docker

REPOSITORY = Path(__file__).parents[2]
_SHIPIT = """\
app: {app}
environments:
  dev:
    target: {{docker: {{}}}}
    deadline: 60s
"""
_COMPOSE = """\
services:
  web:
    build: &image
      context: image
    command: ["httpd", "-f", "-p", "80", "-h", "/www"]
    init: true
    healthcheck:
      test: ["CMD", "/bin/busybox", "test", "-e", "/www/healthy"]
      interval: 200ms
      retries: 2
  mark:
    build: *image
    command: ["sh", "-c", "cat /www/version >> /marks/ran"]
    volumes: ["{marks}:/marks"]
    x-shipit: {{run: before}}
"""
_DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
COPY www /www
ENTRYPOINT ["/bin/busybox"]
"""


class SmallApp:
    """`project` is its Compose project in dev. `releases` are ids by version, once built."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "app"
        self.app = f"k{uuid.uuid4().hex[:8]}"
        self.project = f"{self.app}-dev"
        self.marks = folder / "marks"
        self.commits: dict[str, str] = {}
        self.releases: dict[str, str] = {}
        for made in (self.root / "image" / "www", self.marks):
            made.mkdir(parents=True)
        shutil.copy("/bin/busybox", self.root / "image" / "busybox")
        self._write("shipit.yaml", _SHIPIT.format(app=self.app))
        self._write("compose.yaml", _COMPOSE.format(marks=self.marks))
        self._write(".gitignore", ".shipit/\n")
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
        argv = ["git", "-C", str(self.root), *identity, *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, version: str, *, healthy: bool = True, dockerfile: str = "") -> str:
        self._write("image/Dockerfile", _DOCKERFILE + dockerfile)
        self._write("image/www/version", f"{version}\n")
        mark = self.root / "image" / "www" / "healthy"
        mark.write_text("yes\n") if healthy else mark.unlink(missing_ok=True)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"version {version}")
        self.commits[version] = self.git("rev-parse", "HEAD")
        return self.commits[version]

    def build(self, version: str, *, healthy: bool = True) -> str:
        """Committed, built and recorded; the release's id."""
        commit = self.commit(version, healthy=healthy)
        done = self.shipit("build")
        assert done.returncode == 0, done.stderr
        self.releases[version] = commit[:7]
        return self.releases[version]

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "shipit", *words]

    def shipit(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run(self.argv(*words), self.root)

    def killed(self, version: str, moment: int) -> subprocess.CompletedProcess[str]:
        """The deployment of that version that kills itself at its `moment`-th event."""
        words = (str(self.root), "dev", self.releases[version], str(moment))
        return self._run([sys.executable, "-m", "tests.fakes.killed", *words], REPOSITORY)

    def _run(self, argv: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SHIPIT_ACTOR": "ada", "CI": "true", "PYTHONPATH": str(REPOSITORY)}

    # What is there now

    @property
    def ledger(self) -> Path:
        return self.root / ".shipit" / "ledger"

    def state(self) -> EnvironmentState:
        return Ledger.open("", root=self.root).read().environment("dev")

    def log(self) -> list[int]:
        """The numbers of the commits in the log."""
        return sorted(int(file.stem) for file in (self.ledger / "log").glob("[0-9]*.json"))

    def ran(self) -> list[str]:
        """The versions whose task ran, a line each time."""
        file = self.marks / "ran"
        return file.read_text().split() if file.exists() else []

    def web(self) -> dict[str, str]:
        """The version by the id of the web containers that are up; one that ends now is not."""
        labels = (f"com.docker.compose.project={self.project}", "com.docker.compose.service=web")
        words = [word for label in labels for word in ("--filter", f"label={label}")]
        found = docker("ps", "-q", "--no-trunc", *words).split()
        asked = {one: _told(one) for one in found}
        return {one: version for one, version in asked.items() if version}

    # Back to a moment

    def keep(self) -> None:
        shutil.copytree(self.ledger, self.root / ".shipit" / "kept")

    def restore(self) -> None:
        """The record as it was kept; the tasks' containers and marks are gone."""
        shutil.rmtree(self.ledger)
        shutil.copytree(self.root / ".shipit" / "kept", self.ledger)
        self.remove("label=com.docker.compose.oneoff=True")
        (self.marks / "ran").unlink(missing_ok=True)

    def remove(self, *filters: str) -> None:
        label = f"label=com.docker.compose.project={self.project}"
        words = [word for one in (label, *filters) for word in ("--filter", one)]
        found = docker("ps", "-a", "-q", *words).split()
        if found:
            docker("rm", "-f", "-v", *found)

    def clean(self) -> None:
        self.remove()
        label = f"label=com.docker.compose.project={self.project}"
        for network in docker("network", "ls", "-q", "--filter", label).split():
            docker("network", "rm", network)
        listed = docker("image", "ls", "--digests", "--format", "{{.Repository}} {{.Digest}}")
        own = {tuple(line.split()) for line in listed.splitlines() if f"/{self.app}/" in line}
        # By name: another project's image of the same bytes has the same id.
        for repository, digest in own:
            docker("rmi", f"{repository}@{digest}")

    def _write(self, name: str, content: str) -> None:
        (self.root / name).write_text(content)


def _told(container: str) -> str:
    """Its version; "" when it has ended since it was listed."""
    words = ["docker", "exec", container, "/bin/busybox", "cat", "/www/version"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "is not running" in done.stderr, done.stderr
    return done.stdout.strip()
