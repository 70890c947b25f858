"""The conversation of exec: streams, ends, and a person's terminal."""

import io
import json
import os
import queue
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import PreconditionError, RemoteError
from shipit.targets.kubernetes import execute
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.execute import Streams, converse
from shipit.targets.kubernetes.reach.access import Access
from tests.fakes.namespace import NAME, pod
from tests.fakes.talking_door import Talk, TalkingDoor

STDIN, STDOUT, STDERR, END, SIZE, CLOSE = 0, 1, 2, 3, 4, 255


class Server:
    """The other side. `answer` is given each message and puts messages into `says`."""

    def __init__(
        self, answer: Callable[["Server", bytes], None], protocol: str = execute.PROTOCOLS[0]
    ) -> None:
        self.subprotocol: str | None = protocol
        self.says: queue.Queue[bytes] = queue.Queue()
        self.heard: list[bytes] = []
        self._answer = answer

    def send_bytes(self, data: bytes) -> None:
        self.heard.append(data)
        self._answer(self, data)

    def receive_bytes(self) -> bytes:
        return self.says.get(timeout=10)

    def say(self, channel: int, payload: bytes) -> None:
        self.says.put(bytes([channel]) + payload)

    def end(self, code: int = 0) -> None:
        self.say(END, json.dumps(status(code)).encode())


def status(code: int) -> dict[str, Any]:
    if not code:
        return {"metadata": {}, "status": "Success"}
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return {
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": causes},
    }


def streams(stdin: Any = None) -> tuple[Streams, io.BytesIO, io.BytesIO]:
    stdout, stderr = io.BytesIO(), io.BytesIO()
    return Streams(stdin, stdout, stderr), stdout, stderr


def cat(server: Server, message: bytes) -> None:
    if message[0] == STDIN:
        server.say(STDOUT, message[1:])
    elif message == bytes([CLOSE, STDIN]):
        server.end()


@pytest.mark.parametrize("code", [0, 1, 42, 137])
def test_its_exit_code_is_ours(code: int) -> None:
    def answer(server: Server, _: bytes) -> None:
        server.say(STDOUT, b"out")
        server.say(STDERR, b"err")
        server.end(code)

    own, stdout, stderr = streams(io.BytesIO(b""))
    assert converse(Server(answer), own, tty=False) == code
    assert (stdout.getvalue(), stderr.getvalue()) == (b"out", b"err")


def test_what_is_piped_in_arrives_whole_and_ends() -> None:
    """More than a pipe holds, so that reading and writing must go on at once."""
    data = os.urandom(300_000)
    own, stdout, _ = streams(io.BytesIO(data))
    server = Server(cat)
    assert converse(server, own, tty=False) == 0
    assert stdout.getvalue() == data
    assert server.heard[-1] == bytes([CLOSE, STDIN])


def test_a_pipe_that_stays_open_does_not_hold_the_end_up() -> None:
    """`sleep 100 | shipit exec web true`"""
    reading, writing = os.pipe()

    def answer(server: Server, _: bytes) -> None:
        server.end(3)

    with os.fdopen(reading, "rb") as stdin:
        os.write(writing, b"x")
        own, _, _ = streams(stdin)
        assert converse(Server(answer), own, tty=False) == 3
    os.close(writing)


def test_an_older_server_is_not_told_of_the_end() -> None:
    """v4.channel.k8s.io has no message that closes stdin."""
    server = Server(lambda server, _: server.end(), protocol="v4.channel.k8s.io")
    own, _, _ = streams(io.BytesIO(b"x"))
    assert converse(server, own, tty=False) == 0
    assert server.heard == [b"\0x"]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (json.dumps({"status": "Failure", "message": 'exec: "sh": not found'}), "not found"),
        ("what?", "no Status"),
        (json.dumps({"status": "Failure", "reason": "NonZeroExitCode"}), ""),
    ],
)
def test_a_command_that_could_not_be_run(payload: str, said: str) -> None:
    with pytest.raises(RemoteError, match="could not be run") as caught:
        execute.exit_code(payload.encode())
    assert said in caught.value.why


def test_the_question() -> None:
    assert execute.question("web", ["sh", "-c", "id"], tty=False) == [
        ("container", "web"),
        *(("command", word) for word in ("sh", "-c", "id")),
        ("stdin", "true"),
        ("stdout", "true"),
        ("stderr", "true"),
    ]
    assert ("stderr", "true") not in execute.question("web", ["sh"], tty=True)
    assert ("tty", "true") in execute.question("web", ["sh"], tty=True)


def test_a_terminal_is_raw_while_it_lasts_and_its_size_is_told() -> None:
    import fcntl
    import struct
    import termios

    person, ours = os.openpty()

    def resize(columns: int, lines: int) -> None:
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    during: list[bool] = []

    def answer(server: Server, message: bytes) -> None:
        if message[0] == SIZE:
            os.write(person, b"r" if len(server.heard) == 1 else b"\x03")
        elif message == b"\0r":
            resize(120, 40)
            os.kill(os.getpid(), signal.SIGWINCH)
        else:
            during.append(bool(termios.tcgetattr(ours)[3] & termios.ECHO))
            server.end(130)

    resize(80, 24)
    before = termios.tcgetattr(ours)
    with os.fdopen(ours, "rb", buffering=0) as stdin:
        own, _, _ = streams(stdin)
        server = Server(answer)
        assert converse(server, own, tty=True) == 130
        assert termios.tcgetattr(ours) == before
    os.close(person)
    sizes = [json.loads(m[1:]) for m in server.heard if m[0] == SIZE]
    assert sizes == [{"Width": 80, "Height": 24}, {"Width": 120, "Height": 40}]
    assert b"\0\x03" in server.heard  # Ctrl-C goes to the command, and is no signal here
    assert during == [False]


def test_a_terminal_that_is_none_is_left_alone() -> None:
    own, _, _ = streams(io.BytesIO(b""))
    server = Server(lambda server, _: server.end())
    assert converse(server, own, tty=True) == 0
    assert [m for m in server.heard if m[0] == SIZE] == []


# Which container


PODS = f"/api/v1/namespaces/{NAME}/pods"


@pytest.fixture
def door(tmp_path: Path) -> Iterator[TalkingDoor]:
    def talk(talk: Talk) -> None:
        talk.say(bytes([STDOUT]) + b"hello")
        talk.say(bytes([END]) + json.dumps(status(7)).encode())

    with TalkingDoor(tmp_path) as open_:
        open_.talk = talk
        yield open_


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """This process's streams: nothing comes in, and what goes out is kept."""
    stdout = io.BytesIO()
    own = Streams(io.BytesIO(b""), stdout, io.BytesIO())
    monkeypatch.setattr(execute, "own_streams", lambda: own)
    return stdout


def run(door: TalkingDoor, *pods: dict[str, Any]) -> int:
    door.pages[PODS] = {"items": list(pods)}
    cluster = Cluster(Access(server=door.address, name="the cluster", ca=door.ca), NAME)
    return execute.execute(cluster, "app=web", "web", ["id", "-u"], tty=False)


def test_a_command_in_a_pod(door: TalkingDoor, piped: io.BytesIO) -> None:
    assert run(door, pod("web-1")) == 7
    assert piped.getvalue() == b"hello"
    target = door.talks[0].request.target
    assert target.startswith(f"{PODS}/web-1/exec?container=web&command=id&command=-u&stdin=true")


def test_a_ready_pod_is_asked_before_others(door: TalkingDoor, piped: io.BytesIO) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    run(door, pod("web-1"), pod("web-2", status=ready), pod("web-3"))
    assert f"{PODS}/web-2/exec" in door.talks[0].request.target


def test_a_container_of_another_name(door: TalkingDoor, piped: io.BytesIO) -> None:
    """Own manifests name their containers as they like."""
    run(door, pod("web-1", "app", labels={"shipit.dev/service": "web"}))
    assert "exec?container=app&" in door.talks[0].request.target


def test_no_container_beside_it_is_taken_for_one_that_is_down(door: TalkingDoor) -> None:
    one = pod("web-1", container={"state": {"waiting": {"reason": "CrashLoopBackOff"}}})
    beside = pod("web-1", "proxy")
    for part, key in (("spec", "containers"), ("status", "containerStatuses")):
        one[part][key] += beside[part][key]
    with pytest.raises(PreconditionError, match="no container of web runs in shop"):
        run(door, one)


def test_a_meshs_proxy_in_front_is_not_the_main_container(
    door: TalkingDoor, piped: io.BytesIO
) -> None:
    one, app = pod("web-1", "istio-proxy"), pod("web-1", "app")
    one["metadata"]["labels"]["shipit.dev/service"] = "web"
    one["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "app"}
    for part, key in (("spec", "containers"), ("status", "containerStatuses")):
        one[part][key] += app[part][key]
    run(door, one)
    assert "exec?container=app&" in door.talks[0].request.target


def test_nothing_runs(door: TalkingDoor) -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff"}}}
    with pytest.raises(PreconditionError, match="no container of web runs in shop"):
        run(door, pod("web-1", container=waiting))


def test_own_streams() -> None:
    assert execute.own_streams().stdout is sys.stdout.buffer
