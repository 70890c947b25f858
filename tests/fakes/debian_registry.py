"""Debian's docker-registry, on a free loopback port over a folder of the test's own."""

import http.client
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = "docker-registry"
_DEADLINE = 15.0  # seconds for it to answer

_CONFIG = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http:
  addr: {address}
"""
_BASIC = "auth: {{htpasswd: {{realm: test, path: {path}}}}}\n"


def is_installed() -> bool:
    return shutil.which(PROGRAM) is not None


@contextmanager
def debian_registry(folder: Path, *, htpasswd: Path | None = None) -> Iterator[str]:
    """The address (`127.0.0.1:PORT`) of a running registry with deletion enabled."""
    folder.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{_free_port()}"
    config = folder / "config.yml"
    text = _CONFIG.format(folder=folder / "data", address=address)
    config.write_text(text + (_BASIC.format(path=htpasswd) if htpasswd else ""))
    log = (folder / "log").open("wb")
    process = subprocess.Popen([PROGRAM, "serve", str(config)], stdout=log, stderr=log)
    try:
        _wait(process, address, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + _DEADLINE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{PROGRAM} ended: {log.read_text()}")
        connection = http.client.HTTPConnection(address, timeout=2)
        try:
            connection.request("GET", "/v2/")
            connection.getresponse()
        except OSError:
            time.sleep(0.02)
            continue
        finally:
            connection.close()
        return
    raise RuntimeError(f"{PROGRAM} did not answer within {_DEADLINE} s: {log.read_text()}")
