"""Registries behind certificates of an authority of one's own, and behind proxies.

Their names lead to this machine, and are none of loopback's: what is true of a registry elsewhere
is true of them.
"""

import socket
import ssl
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.registry import retry, tls
from shipit.registry.client import Client
from shipit.registry.keychain import Chain
from tests.fakes import registry_images as images
from tests.fakes.faults import Fault, FaultProxy, redirect
from tests.fakes.forward_proxy import ForwardProxy
from tests.fakes.front_door import Authority
from tests.fakes.registry import FakeRegistry

NAME, OTHER = "registry.example", "storage.example"
_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing set up, and names that lead here."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(tls, "_SYSTEM_FOLDERS", (tmp_path / "certs.d",))
    monkeypatch.setattr(retry, "_pause", lambda *_: 0.0)
    found = socket.getaddrinfo

    def lookup(host: Any, *rest: Any, **named: Any) -> Any:
        return found("127.0.0.1" if host in (NAME, OTHER) else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    tls._system.cache_clear()
    tls._with_folders.cache_clear()
    yield
    tls._system.cache_clear()


@dataclass
class Door:
    """A registry behind TLS; `address` is its name with its port."""

    proxy: FaultProxy
    address: str
    authority: Authority

    @property
    def repository(self) -> str:
        return f"{self.address}/shop/web"

    def folder(self, root: Path) -> Path:
        made = root / self.address
        made.mkdir(parents=True)
        (made / "ca.crt").write_bytes(self.authority.pem)
        return made


def _pem(folder: Path, name: str, *contents: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(b"".join(contents))
    return file


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[FakeRegistry]:
    with FakeRegistry(tmp_path / "registry") as opened:
        yield opened


@pytest.fixture
def context(tmp_path: Path, authority: Authority) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(_pem(tmp_path / "server", "all.pem", *authority.sign(NAME, "127.0.0.1")))
    return made


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def door(registry: FakeRegistry, authority: Authority, context: ssl.SSLContext) -> Iterator[Door]:
    with FaultProxy(registry.address, tls=context) as proxy:
        port = proxy.address.rpartition(":")[2]
        yield Door(proxy, f"{NAME}:{port}", authority)


def _works(repository: str) -> None:
    with Client(Chain([])) as client:
        pushed = images.push(client, repository, "web", tag="v1", size=300_000)
        assert client.get_manifest(repository, "v1").digest == pushed.digest
        assert client.read_blob(repository, pushed.blobs[0].digest)


def _fails(repository: str) -> RemoteError:
    with Client(Chain([])) as client, pytest.raises(RemoteError) as caught:
        client.get_manifest(repository, "v1")
    return caught.value


def test_who_nobody_knows_is_not_trusted_and_it_is_said_what_to_do(door: Door) -> None:
    error = _fails(door.repository)

    assert error.what == f"the certificate of the registry {door.address} is not trusted"
    assert "unable to get local issuer certificate" in error.why
    assert f"/etc/docker/certs.d/{door.address}/ca.crt" in error.next_step
    assert "SSL_CERT_FILE" in error.next_step
    assert not error.temporary
    assert door.proxy.seen == []


@pytest.mark.parametrize("where", ["certs.d", "config/docker/certs.d", "config/containers/certs.d"])
def test_an_authority_for_one_registry(door: Door, where: str, tmp_path: Path) -> None:
    door.folder(tmp_path / where)

    _works(door.repository)


def test_it_is_for_that_registry_alone(door: Door, tmp_path: Path, context: ssl.SSLContext) -> None:
    door.folder(tmp_path / "certs.d")
    with FaultProxy(door.proxy.address, tls=context) as another:
        port = another.address.rpartition(":")[2]

        assert "is not trusted" in _fails(f"{NAME}:{port}/shop/web").what


def test_an_authority_for_all(door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(_pem(tmp_path, "ca.pem", door.authority.pem)))

    _works(door.repository)


def test_a_certificate_for_another_name(
    registry: FakeRegistry, tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(_pem(tmp_path, "ca.pem", authority.pem)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_pem(tmp_path, "server.pem", *authority.sign(OTHER, "127.0.0.1")))
    with FaultProxy(registry.address, tls=context) as proxy:
        port = proxy.address.rpartition(":")[2]

        error = _fails(f"{NAME}:{port}/shop/web")

    assert "is not trusted" in error.what
    assert f"not valid for '{NAME}'" in error.why


def test_a_client_s_certificate(door: Door, tmp_path: Path, context: ssl.SSLContext) -> None:
    context.load_verify_locations(_pem(tmp_path, "ca.pem", door.authority.pem))
    context.verify_mode = ssl.CERT_REQUIRED
    folder = door.folder(tmp_path / "certs.d")
    with pytest.raises(RemoteError, match=r"broke off|cannot be reached"):
        _works(door.repository)

    certificate, key = door.authority.sign("ci")
    _pem(folder, "ci.cert", certificate)
    _pem(folder, "ci.key", key)
    tls._with_folders.cache_clear()

    _works(door.repository)


@pytest.mark.parametrize(("name", "content"), [("ca.crt", b"no PEM"), ("ci.cert", b"without key")])
def test_a_certificate_that_cannot_be_read_is_named(
    door: Door, name: str, content: bytes, tmp_path: Path
) -> None:
    file = _pem(tmp_path / "certs.d" / door.address, name, content)

    with Client(Chain([])) as client, pytest.raises(PreconditionError) as caught:
        client.get_manifest(door.repository, "v1")

    assert caught.value.what == f"{file} cannot be used as a certificate"


@pytest.fixture
def trusted(door: Door, tmp_path: Path) -> Door:
    door.folder(tmp_path / "certs.d")
    return door


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_by_way_of_a_proxy(trusted: Door, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ForwardProxy(user="ci:pass word") as proxy:
        monkeypatch.setenv(name, f"http://ci:pass%20word@{proxy.address}")

        _works(trusted.repository)

    assert set(proxy.asked) == {trusted.address}
    assert all("Proxy-Authorization" not in headers for _, headers in trusted.proxy.seen)


@pytest.mark.parametrize("value", [NAME, ".example", "{address}", f"a.b, {NAME}", "*"])
def test_not_for_who_is_excepted(
    trusted: Door, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ForwardProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        monkeypatch.setenv("NO_PROXY", value.format(address=trusted.address))

        _works(trusted.repository)

    assert proxy.asked == []


def test_never_for_this_machine(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    with ForwardProxy() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.address}")

        _works(f"{registry.address}/shop/web")

    assert proxy.asked == []


def test_a_proxy_for_what_is_not_encrypted(
    trusted: Door, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry is in HTTPS, and leads to a storage that is not."""
    port = registry.address.rpartition(":")[2]
    with ForwardProxy(user="ci:secret") as proxy, Client(Chain([])) as client:
        monkeypatch.setenv("HTTP_PROXY", f"http://ci:secret@{proxy.address}")
        digest = images.push_blob(client, trusted.repository, b"content")
        trusted.proxy.faults = [Fault(redirect(f"{OTHER}:{port}"), "GET", "/blobs/")]

        assert client.read_blob(trusted.repository, digest) == b"content"

    path = f"/v2/shop/web/blobs/{digest}?X-Signature=let-me-in"
    assert proxy.asked == [f"http://{OTHER}:{port}{path}"]


def test_a_proxy_that_refuses_tells_no_password(
    trusted: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ForwardProxy(user="ci:another") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://ci:planted-4711@{proxy.address}")

        error = _fails(trusted.repository)

    assert "407" in error.why
    assert "planted-4711" not in "".join(traceback.format_exception(error))


def test_a_proxy_of_another_kind_is_refused(trusted: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://ci:planted-4711@127.0.0.1:1080")

    with Client(Chain([])) as client, pytest.raises(PreconditionError) as caught:
        client.get_manifest(trusted.repository, "v1")

    assert "HTTPS_PROXY" in caught.value.what
    assert f"put {NAME} into NO_PROXY" in caught.value.next_step
    assert "planted-4711" not in "".join(traceback.format_exception(caught.value))
