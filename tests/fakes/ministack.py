"""ministack as a process of its own, on loopback: above all ECR, with a real registry behind it."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

ACCOUNT = "000000000000"  # what it makes of credentials that name none
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
PROGRAM = _CACHE / "shipit" / "ministack" / "bin" / "ministack"  # as scripts/ministack puts it
NO_ENGINE = "unix:///no/engine/for/ministack.sock"
_DEADLINE = 60.0  # seconds for it to answer


def is_installed() -> bool:
    return PROGRAM.exists()


def runs_containers() -> bool:
    """Whether its environment has the Docker SDK, without which its ECS starts nothing."""
    python = PROGRAM.with_name("python")
    asked = [str(python), "-c", "import docker"]
    return is_installed() and not subprocess.run(asked, capture_output=True, check=False).returncode


@contextmanager
def ministack(folder: Path, *, engine: str = NO_ENGINE) -> Iterator[str]:
    """The endpoint, as in `http://127.0.0.1:40123`. Ended by its process id.

    Its ECS runs containers on `engine`; left out, it finds none.
    """
    port = _free_port()
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "false",
        "SFTP_ENABLED": "false",
        "DOCKER_HOST": engine,
    }
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [str(PROGRAM)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(server, port, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + _DEADLINE
    while time.monotonic() < until:
        assert server.poll() is None, f"ministack ended: {log.read_text()[-2000:]}"
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/v2/")
            connection.getresponse().read()
        except (OSError, HTTPException):
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise AssertionError(f"ministack did not answer within {_DEADLINE:.0f} s")
