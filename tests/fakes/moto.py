"""moto's server as a process of its own, on loopback: S3 and the rest of AWS's control plane."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

CREDENTIALS: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def moto_server(log: Path | None = None) -> Iterator[str]:
    """The endpoint, as in `http://127.0.0.1:40123`. Ended by its process id."""
    port = _free_port()
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    output = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT)
    try:
        server = subprocess.Popen(argv, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    finally:
        os.close(output)
    try:
        _wait(server, port, deadline=30)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


def make_bucket(endpoint: str, name: str) -> None:
    """moto accepts unsigned requests, so no SDK is needed for this."""
    connection = HTTPConnection(endpoint.removeprefix("http://"), timeout=10)
    region = b"<LocationConstraint>eu-west-1</LocationConstraint>"
    location = b"<CreateBucketConfiguration>" + region + b"</CreateBucketConfiguration>"
    authorization = "AWS4-HMAC-SHA256 Credential=x/20261102/eu-west-1/s3/aws4_request"
    connection.request("PUT", f"/{name}", location, {"Authorization": authorization})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, body


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: "subprocess.Popen[bytes]", port: int, *, deadline: float) -> None:
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        assert server.poll() is None, f"moto's server ended with {server.returncode}"
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/moto-api/data.json")
            connection.getresponse().read()
        except (OSError, HTTPException):
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise AssertionError(f"moto's server did not answer within {deadline:.0f} s")
