"""An engine that goes away, says nothing more, or says too much: bounded in time and in size."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shipit.errors import RemoteError
from shipit.model.deployment import Desired, Health
from shipit.model.digest import Digest
from shipit.targets.docker import tasks
from shipit.targets.docker.compose import Compose
from shipit.targets.docker.containers import Container, Survey
from shipit.targets.docker.files import Files
from shipit.targets.docker.logs import last_lines
from shipit.targets.engine.address import Address
from shipit.targets.engine.client import Engine

PONG = b"HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\nContent-Length: 2\r\n\r\nOK"
BEGUN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Fickle:
    """Answers the first question; what it says to the next is `then`, and `stays` says whether it
    keeps the connection after that."""

    def __init__(self) -> None:
        self.then, self.stays = b"", False
        self._ended = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = Address(f"tcp://127.0.0.1:{self._socket.getsockname()[1]}", "")
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while asked := connection.recv(65536):
                if b"/_ping" in asked:
                    connection.sendall(PONG)
                    continue
                connection.sendall(self.then)
                if self.stays:
                    self._ended.wait()
                return

    def close(self) -> None:
        self._ended.set()
        self._socket.close()


@pytest.fixture
def fickle() -> Iterator[Fickle]:
    made = Fickle()
    yield made
    made.close()


def read(fickle: Fickle) -> RemoteError:
    engine = Engine(fickle.address)
    with pytest.raises(RemoteError) as raised:
        list(engine.stream("/events", silence=0.2))
    engine.close()
    return raised.value


@pytest.mark.parametrize("then", [b"", BEGUN])
def test_says_nothing_more(fickle: Fickle, then: bytes) -> None:
    fickle.then, fickle.stays = then, True
    error = read(fickle)
    assert error.what == f"the Docker engine at {fickle.address} does not answer"
    assert (error.why, error.temporary) == ("it did not answer in time", True)


def test_goes_away_without_an_answer(fickle: Fickle) -> None:
    assert read(fickle).temporary


def test_a_line_that_is_kept_with_a_failure_is_cut(fickle: Fickle) -> None:
    """A program that writes its whole state on one line does not fill the ledger."""
    said = b"short\n" + b"x" * 50_000 + b"\n"
    frame = b"\x01\0\0\0" + len(said).to_bytes(4, "big") + said
    fickle.then = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(frame), frame)
    engine = Engine(fickle.address)
    (container,) = OneRun(engine, "shop-dev").containers()
    first, second = last_lines(engine, container)
    engine.close()
    assert first == "short"
    assert second == "x" * 999 + "…"


class OneRun(Survey):
    """The task's container is there, and runs."""

    def containers(self) -> tuple[Container, ...]:
        name = "shop-dev-migrate-7"
        return (Container("1", name, "migrate", "running", Health.HEALTHY, "", (), "", True, {}),)


def test_a_task_is_not_followed_for_ever(
    fickle: Fickle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_STOPPING", 0.2)
    fickle.then, fickle.stays = BEGUN, True
    engine = Engine(fickle.address)
    wanted = Desired("shop", "dev", Digest.of(b"r"), "r", {}, {}, (), ("migrate",), deadline=0.1)
    task = tasks.Task(engine, OneRun(engine, "shop-dev"), wanted, "migrate", "7")
    compose = Compose("shop-dev", str(tmp_path), fickle.address)
    followed: list[BaseException] = []

    def follow() -> None:
        try:
            list(task.run(compose, Files(str(tmp_path), "dev", "default")))
        except RemoteError as error:
            followed.append(error)

    following = threading.Thread(target=follow, daemon=True)
    following.start()
    following.join(10)
    assert [str(error).splitlines()[1] for error in followed] == ["it did not answer in time"]
    engine.close()
