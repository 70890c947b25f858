"""Registries for benchmarks: Debian's docker-registry over TLS on loopback, with an authority of
their own that every client is told about by the same variable, SSL_CERT_FILE."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http:
  addr: {address}
  tls: {{certificate: {certificate}, key: {key}}}
"""
_DEADLINE = 15.0


@contextmanager
def authority(folder: Path) -> Iterator[tuple[Path, Path]]:
    """A self-signed certificate for loopback and its key; trusted by this process and by what it
    starts for as long as this is open."""
    certificate, key = folder / "ca.crt", folder / "ca.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=bench", "-keyout", str(key)),
            *("-out", str(certificate), "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(certificate)
    try:
        yield certificate, key
    finally:
        os.environ.pop("SSL_CERT_FILE")
        if before is not None:
            os.environ["SSL_CERT_FILE"] = before


@contextmanager
def registry(folder: Path, certificate: Path, key: Path) -> Iterator[str]:
    """`127.0.0.1:PORT` of a running one."""
    folder.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "config.yml"
    address = f"127.0.0.1:{port}"
    config.write_text(
        _CONFIG.format(folder=folder / "data", address=address, certificate=certificate, key=key)
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stdout=log, stderr=log
        )
        try:
            _wait(port)
            yield address
        finally:
            process.terminate()
            process.wait(10)


def _wait(port: int) -> None:
    end = time.monotonic() + _DEADLINE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"docker-registry did not listen within {_DEADLINE} s")
