"""The embedded registry among several processes, and after kill -9."""

import http.client
import json
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shipit.model.digest import Digest
from shipit.model.image import Reference
from shipit.registry import retry
from shipit.registry.client import Client
from shipit.registry.embedded import EmbeddedRegistry
from shipit.registry.keychain import Chain
from tests.fakes import registry_images as images
from tests.integration.registry.conftest import Serve


def test_processes_share_a_folder_and_its_port(tmp_path: Path, serve: Serve) -> None:
    """Two processes answer on one port while four threads push and pull: nothing is lost."""
    _, first = serve(tmp_path)
    _, second = serve(tmp_path)
    assert first == second

    def work(thread: int) -> None:
        for number in range(10):
            with Client(Chain([])) as client:  # new connections: either process may get them
                repository = f"{first}/shop/web{thread}"
                pushed = images.push(client, repository, f"{thread} {number}", tag=f"v{number}")
                assert client.get_manifest(repository, f"v{number}").content == pushed.content

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))

    with Client(Chain([])) as client:
        for thread in range(4):
            repository = f"{first}/shop/web{thread}"
            assert client.tags(repository) == [f"v{n}" for n in range(10)]
            for number in range(10):
                image = client.resolve(Reference.parse(f"{repository}:v{number}"))
                assert client.verify(image) == []


def test_a_process_that_ends_leaves_the_others_clients_alone(tmp_path: Path, serve: Serve) -> None:
    leaving, address = serve(tmp_path)
    serve(tmp_path)
    stop = threading.Event()
    pushed: list[str] = []

    def push() -> None:
        number = 0
        while not stop.is_set():
            with Client(Chain([])) as client:
                images.push(client, f"{address}/shop/web", f"{number}", tag=f"v{number}")
            pushed.append(f"v{number}")
            number += 1

    with ThreadPoolExecutor(1) as threads:
        work = threads.submit(push)
        while len(pushed) < 5 and not work.done():
            stop.wait(0.01)
        assert leaving.stdin is not None
        leaving.stdin.close()
        assert leaving.wait(20) == 0
        enough = len(pushed) + 5
        while len(pushed) < enough and not work.done():
            stop.wait(0.01)
        stop.set()
        work.result()

    with Client(Chain([])) as client:
        assert sorted(client.tags(f"{address}/shop/web")) == sorted(pushed)


def test_the_port_stays_from_one_run_to_the_next(tmp_path: Path) -> None:
    with EmbeddedRegistry(tmp_path) as registry:
        first = registry.address
    with EmbeddedRegistry(tmp_path) as registry:
        assert registry.address == first
    assert 20000 <= int(first.partition(":")[2]) < 30000


@pytest.mark.parametrize("shares", [False, True])
def test_a_port_that_another_program_has_is_given_up(tmp_path: Path, shares: bool) -> None:
    with EmbeddedRegistry(tmp_path) as registry:
        host, _, port = registry.address.partition(":")

    with socket.socket() as foreign:
        foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares:
            foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        foreign.bind((host, int(port)))
        foreign.listen()  # and never answers
        with EmbeddedRegistry(tmp_path) as registry:
            moved = registry.address
            assert moved != f"{host}:{port}"
    with EmbeddedRegistry(tmp_path) as registry:
        assert registry.address == moved


def test_a_registry_of_another_folder_is_another_program(tmp_path: Path) -> None:
    with EmbeddedRegistry(tmp_path / "one") as one:
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "registry.json").write_text(
            json.dumps({"id": "two", "port": int(one.address.partition(":")[2])})
        )
        with EmbeddedRegistry(tmp_path / "two") as two:
            assert two.address != one.address


def test_killed_in_the_middle_of_an_upload(tmp_path: Path, client: Client, serve: Serve) -> None:
    process, address = serve(tmp_path)
    repository = f"{address}/shop/web"
    before = images.push(client, repository, "before", tag="before")
    content = os.urandom(2_000_000)
    digest = Digest.of(content)
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("POST", "/v2/shop/web/blobs/uploads/", headers={"Content-Length": "0"})
    started = connection.getresponse()
    started.read()
    upload = tmp_path / "uploads" / started.headers["Location"].rpartition("/")[2]
    connection.putrequest("PUT", f"{started.headers['Location']}?digest={digest}")
    connection.putheader("Content-Length", str(len(content)))
    connection.endheaders()
    connection.send(content[: len(content) // 2])
    _wait_for_bytes(upload)

    process.send_signal(signal.SIGKILL)
    process.wait(10)
    connection.close()

    assert not (tmp_path / "blobs" / "sha256" / digest.hex).exists()
    _, again = serve(tmp_path)
    assert again == address
    assert client.get_manifest(repository, "before").content == before.content
    assert client.head_blob(repository, digest) is None
    assert images.push_blob(client, repository, content) == digest
    assert client.read_blob(repository, digest) == content


def _wait_for_bytes(upload: Path) -> None:
    waiting = threading.Event()
    for _ in range(1000):
        if upload.stat().st_size > 0:
            return
        waiting.wait(0.01)
    raise AssertionError("nothing was written within 10 s")


def test_killed_at_random_while_pushing(
    tmp_path: Path, client: Client, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was acknowledged before the kill is there after it, whole."""
    monkeypatch.setattr(retry, "_pause", lambda *_: 0.0)
    acknowledged: list[str] = []
    for round_ in range(5):
        process, address = serve(tmp_path)
        repository = f"{address}/shop/web"
        killer = threading.Timer(0.05 + 0.07 * round_, process.kill)
        killer.start()
        try:
            for number in range(10_000):
                tag = f"r{round_}-{number}"
                images.push(client, repository, tag, tag=tag)
                acknowledged.append(tag)
        except Exception:  # noqa: BLE001 - the kill, in whatever way it shows
            killer.join()
        process.wait(10)

    _, address = serve(tmp_path)
    repository = f"{address}/shop/web"
    assert acknowledged
    assert set(acknowledged) <= set(client.tags(repository))
    for tag in client.tags(repository):
        image = client.resolve(Reference.parse(f"{repository}:{tag}"))
        assert client.verify(image) == []
    index = json.loads((tmp_path / "index.json").read_bytes())
    for entry in index["manifests"]:
        assert (tmp_path / "blobs" / entry["digest"].replace(":", "/")).is_file()
