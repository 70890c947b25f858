"""An API server's door: TLS with a CA of its own, and who is let in. Behind it is nothing.

with FrontDoor(tmp_path, judge=lambda bearer: "ann" if bearer == "good" else "") as door:
    door.address, door.ca, door.seen
"""

import datetime
import http.server
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "kubernetes.default"  # what its certificate says beside its address


class Seen(msgspec.Struct, frozen=True):
    """A request: who it was by, and the headers by lower-case name."""

    path: str
    user: str
    headers: dict[str, list[str]]


class Authority:
    """A CA, and certificates signed by it, in PEM."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a cluster's CA")])
        made = _builder(self._name, self._name, self._key.public_key())
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        signed = made.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())
        self.pem = signed.public_bytes(serialization.Encoding.PEM)

    def sign(self, name: str, *addresses: str) -> tuple[bytes, bytes]:
        """(certificate, key) for a server at the addresses, or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names: list[x509.GeneralName] = [x509.DNSName(name)] if addresses else []
        names += [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
        made = _builder(subject, self._name, key.public_key())
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = made.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def _builder(subject: x509.Name, issuer: x509.Name, key: Any) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


class FrontDoor:
    """`judge` turns an Authorization header's value into a user, "" for nobody. A client with a
    certificate of `authority` is its common name."""

    def __init__(self, folder: Path, judge: Callable[[str], str] = lambda _: "") -> None:
        self.authority = Authority()
        self.judge = judge
        self.seen: list[Seen] = []
        self.pages: dict[str, Any] = {}  # by path: what those who are let in get
        certificate, key = self.authority.sign(NAME, "127.0.0.1")
        path = folder / "server.pem"
        path.write_bytes(certificate + key)
        (folder / "ca.pem").write_bytes(self.authority.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def ca(self) -> bytes:
        return self.authority.pem

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def who(self, handler: http.server.BaseHTTPRequestHandler) -> str:
        peer: Any = handler.connection
        for parts in (peer.getpeercert() or {}).get("subject", ()):
            for key, value in parts:
                if key == "commonName":
                    return str(value)
        return self.judge(handler.headers.get("Authorization", ""))


def _handler(door: FrontDoor) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            user = door.who(self)
            headers = {k.lower(): self.headers.get_all(k) or [] for k in self.headers}
            door.seen.append(Seen(self.path, user, headers))
            page = door.pages.get(self.path.partition("?")[0], {})
            body = json.dumps(page if user else {"message": "Unauthorized"}).encode()
            self.send_response(200 if user else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler
