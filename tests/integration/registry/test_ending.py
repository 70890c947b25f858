"""How the embedded registry ends: what it was asked is answered first."""

import http.client
import threading
import time
from pathlib import Path

import pytest

from shipit.model.digest import Digest
from shipit.registry.embedded import EmbeddedRegistry


@pytest.fixture
def registry(tmp_path: Path) -> EmbeddedRegistry:
    return EmbeddedRegistry(tmp_path, port=0).start()


def test_a_connection_that_waits_to_be_accepted_is_served(registry: EmbeddedRegistry) -> None:
    assert registry._server is not None
    registry._server.shutdown()  # nobody accepts any more; the kernel still does
    connection = http.client.HTTPConnection(registry.address, timeout=10)
    connection.request("GET", "/v2/")

    registry.stop()

    assert connection.getresponse().status == 200
    connection.close()


def test_an_upload_in_flight_is_finished(registry: EmbeddedRegistry) -> None:
    content = b"x" * 1_000_000
    connection = http.client.HTTPConnection(registry.address, timeout=10)
    connection.putrequest("POST", f"/v2/shop/web/blobs/uploads/?digest={Digest.of(content)}")
    connection.putheader("Content-Length", str(len(content)))
    connection.endheaders()
    connection.send(content[:10])
    ending = threading.Thread(target=registry.stop)
    server = registry._server
    assert server is not None
    with server._changed:
        assert server._changed.wait_for(lambda: _is_busy(registry), 10)
    ending.start()
    end = time.monotonic() + 10
    while not server._ending and time.monotonic() < end:
        time.sleep(0.01)
    connection.send(content[10:])

    response = connection.getresponse()
    assert response.status == 201
    assert response.headers["Connection"] == "close" or response.read() == b""
    ending.join(10)
    assert not ending.is_alive()
    assert registry.layout.blob(Digest.of(content)).read_bytes() == content
    connection.close()


def test_an_idle_connection_does_not_hold_the_end_up(registry: EmbeddedRegistry) -> None:
    connection = http.client.HTTPConnection(registry.address, timeout=10)
    connection.request("GET", "/v2/")
    connection.getresponse().read()

    ending = threading.Thread(target=registry.stop)
    ending.start()
    ending.join(10)

    assert not ending.is_alive()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        http.client.HTTPConnection(registry.address, timeout=2).request("GET", "/v2/")
    connection.close()


def _is_busy(registry: EmbeddedRegistry) -> bool:
    assert registry._server is not None
    return any(phase.name == "BUSY" for phase in registry._server._phases.values())
