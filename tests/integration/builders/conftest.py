"""A real docker-registry on loopback, and a build context that needs no public registry."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.debian_registry import debian_registry


@contextmanager
def serving(folder: Path, htpasswd: Path | None = None) -> Iterator[str]:
    """A registry's address; what was pushed to it leaves the engine at the end."""
    with debian_registry(folder, htpasswd=htpasswd) as address:
        try:
            yield address
        finally:
            forget(address)


def forget(address: str) -> None:
    """Take the images that were pushed to a registry off the engine."""
    listed = subprocess.run(
        ["docker", "image", "ls", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split() for line in listed.stdout.splitlines() if line.startswith(address)]
    names = {f"{r}@{digest}" if tag == "<none>" else f"{r}:{tag}" for r, tag, digest in rows}
    if names:
        subprocess.run(["docker", "image", "rm", *names], capture_output=True, check=True)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def closed_registry(tmp_path: Path) -> Iterator[str]:
    """One that nobody here has a password for."""
    path = tmp_path / "htpasswd"
    path.write_text("ada:$2y$05$abcdefghijklmnopqrstuuHIrMEWpUCQe2YqFR3sXwQ75u4od..9q\n")
    with serving(tmp_path / "closed", htpasswd=path) as address:
        yield address


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project's folder with one context, `web`."""
    context = tmp_path / "project" / "web"
    context.mkdir(parents=True)
    shutil.copy("/bin/busybox", context)
    (context / "Dockerfile").write_text(
        "FROM scratch AS base\n"
        "COPY busybox /bin/busybox\n"
        "FROM base\n"
        "ARG GREETING=none\n"
        'RUN ["/bin/busybox", "sh", "-c", "echo $GREETING > /greeting"]\n'
        "USER 1000\n"
        'CMD ["/bin/busybox", "cat", "/greeting"]\n'
    )
    return context.parent
