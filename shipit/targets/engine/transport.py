"""One HTTP connection to an engine: over a Unix socket, TCP, TLS, or ssh.

Over ssh it is the docker command line's own way: `docker system dial-stdio` on the far side joins
the engine's socket to its standard input and output, so that the far side's own settings hold.
"""

import http.client
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from shipit.targets.engine.address import Address

_ENDING = 2.0  # seconds for an ssh whose connection is closed to say why, and to end
_TCP_PORTS = {"tcp": 2375, "http": 80, "https": 443}


class Connection(http.client.HTTPConnection):
    """As http.client's; `last_words` is what ssh said last, once it is closed."""

    def __init__(self, address: Address, timeout: float | None) -> None:
        super().__init__("engine", timeout=timeout)
        self._address = address
        self._tunnel: Tunnel | None = None
        self.last_words = ""

    def connect(self) -> None:
        scheme = self._address.scheme
        if scheme == "unix":
            self.sock = _unix(self._address.url.removeprefix("unix://"), self.timeout)
        elif scheme == "ssh":
            self._tunnel = Tunnel(self._address.url)
            self.sock = self._tunnel.socket
            self.sock.settimeout(self.timeout)
        else:
            self.sock = _tcp(self._address, self.timeout)

    def close(self) -> None:
        super().close()
        if self._tunnel:
            self.last_words = self._tunnel.close()
            self._tunnel = None


class Tunnel:
    """`ssh … docker system dial-stdio` with a socket as its standard input and output."""

    def __init__(self, url: str) -> None:
        self.socket, far = socket.socketpair()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the tunnel
        with far:
            self._process = subprocess.Popen(
                [*ssh(url), "docker", "system", "dial-stdio"],
                stdin=far.fileno(),
                stdout=far.fileno(),
                stderr=self._said,
            )

    def close(self) -> str:
        """The last line that ssh wrote."""
        self.socket.close()
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait(10)
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        self._said.close()
        return lines[-1].strip() if lines else ""


def ssh(url: str) -> list[str]:
    """The argv that runs a command on the host of ssh://[user@]host[:port].

    ssh may only ask for a password where somebody is there to type it.
    """
    parts = urlsplit(url)
    argv = ["ssh", "-T", "-o", "ConnectTimeout=15"]
    argv += [] if sys.stdin.isatty() else ["-o", "BatchMode=yes"]
    argv += ["-l", parts.username] if parts.username else []
    argv += ["-p", str(parts.port)] if parts.port else []
    return [*argv, "--", parts.hostname or ""]


def _unix(path: str, timeout: float | None) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        found.settimeout(timeout)
        found.connect(path)
    except OSError:
        found.close()
        raise
    return found


def _tcp(address: Address, timeout: float | None) -> socket.socket:
    parts = urlsplit(address.url)
    host = parts.hostname or ""
    secure = bool(address.certificates) or address.scheme == "https"
    port = parts.port or (2376 if secure else _TCP_PORTS[address.scheme])
    found = socket.create_connection((host, port), timeout)
    return _tls(address).wrap_socket(found, server_hostname=host) if secure else found


def _tls(address: Address) -> ssl.SSLContext:
    folder = Path(address.certificates)
    ca = folder / "ca.pem"
    context = ssl.create_default_context(cafile=str(ca) if ca.is_file() else None)
    if address.certificates and not address.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if address.certificates and (folder / "cert.pem").is_file():
        context.load_cert_chain(str(folder / "cert.pem"), str(folder / "key.pem"))
    return context
