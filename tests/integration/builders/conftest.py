"""A real docker-registry on loopback, and a build context that needs no public registry."""

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

CONFIGURATION = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "{address}"}}
{auth}
"""
HTPASSWD = "auth: {{htpasswd: {{realm: test, path: {path}}}}}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{address}/v2/", timeout=2).close()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == 401
    except OSError:
        return False
    return True


def serve(folder: Path, auth: str = "") -> Iterator[str]:
    """`host:port` of a docker-registry that ends with the generator, and so do its images here."""
    address = f"127.0.0.1:{free_port()}"
    config = folder / "registry.yml"
    config.write_text(CONFIGURATION.format(root=folder / "data", address=address, auth=auth))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
    try:
        end = time.monotonic() + 20
        while not answers(address):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end, "docker-registry did not answer within 20 s"
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        forget(address)


def forget(address: str) -> None:
    """Take the images that were pushed to a registry off the engine."""
    listed = subprocess.run(
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = [line for line in listed.stdout.split() if line.startswith(address)]
    if names:
        subprocess.run(["docker", "image", "rm", *names], capture_output=True, check=True)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from serve(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def closed_registry(tmp_path: Path) -> Iterator[str]:
    """One that nobody here has a password for."""
    path = tmp_path / "htpasswd"
    path.write_text("ada:$2y$05$abcdefghijklmnopqrstuuHIrMEWpUCQe2YqFR3sXwQ75u4od..9q\n")
    yield from serve(tmp_path, HTPASSWD.format(path=path))


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
