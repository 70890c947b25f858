"""The conversation of exec: streams, ends, and a person's terminal."""

import io
import json
import os
import queue
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.targets.kubernetes import execute
from shipit.targets.kubernetes.execute import Streams, converse

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

    def receive_bytes(self, timeout: float | None = None) -> bytes:
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


def test_own_streams() -> None:
    assert execute.own_streams().stdout is sys.stdout.buffer
