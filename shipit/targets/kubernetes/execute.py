"""A command in a running container: the API server's exec over a WebSocket.

Channels are the first byte of each message (kubernetes.io, KEP-4006, `v5.channel.k8s.io`): 0 stdin,
1 stdout, 2 stderr, 3 how it ended, 4 the terminal's size, 255 closes the channel that follows it.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Protocol

import msgspec

from shipit.errors import PreconditionError, RemoteError
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.connection import Call
from shipit.targets.kubernetes.pods import Pod
from shipit.targets.kubernetes.upgrade import open_session

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _END, _SIZE = range(5)
_CLOSE = 255
_CHUNK = 32 * 1024  # bytes of one message: the server's own limit is far above
_LOOK = 0.2  # seconds between two looks whether the command has ended, while stdin is silent


class Session(Protocol):
    """A WebSocket, as far as it is used."""

    subprotocol: str | None

    def send_bytes(self, data: bytes) -> None: ...
    def receive_bytes(self) -> bytes: ...


class Streams(msgspec.Struct):
    """This side's three streams, binary. `stdin` None: nothing is sent."""

    stdin: BinaryIO | None
    stdout: BinaryIO
    stderr: BinaryIO


def execute(
    cluster: Cluster, selector: str, service: str, command: Sequence[str], *, tty: bool
) -> int:
    """In a pod of the service that runs, a ready one before others; the command's exit code.

    Raises PreconditionError when none runs.
    """
    pods = [
        pod for page in cluster.pages("v1", "Pod", Pod, selector=selector) for pod in page.items
    ]
    running = [pod for pod in pods if _is_up(pod, service) and not pod.is_going]
    if not running:
        raise PreconditionError(
            f"no container of {service} runs in {cluster.namespace}",
            next_step="`shipit ps` shows what does",
        )
    pod = max(running, key=lambda pod: pod.is_ready)
    path = f"{cluster.path('v1', 'Pod', pod.name)}/exec"
    call = Call("GET", path, question(pod.container_of(service), command, tty=tty))
    with open_session(cluster.connection, call, PROTOCOLS) as session:
        return converse(session, own_streams(), tty=tty)


def _is_up(pod: Pod, service: str) -> bool:
    """The service itself, and no container beside it."""
    status = pod.status_of(pod.container_of(service))
    return bool(status and status.state.running)


def own_streams() -> Streams:
    stdin = sys.stdin.buffer if sys.stdin else None
    return Streams(stdin, sys.stdout.buffer, sys.stderr.buffer)


def question(container: str, command: Sequence[str], *, tty: bool) -> list[tuple[str, str]]:
    """The query of `pods/exec`. With a terminal there is one output."""
    return [
        ("container", container),
        *(("command", word) for word in command),
        ("stdin", "true"),
        ("stdout", "true"),
        *([("tty", "true")] if tty else [("stderr", "true")]),
    ]


def converse(session: Session, streams: Streams, *, tty: bool) -> int:
    """Until the command has ended; its exit code. Raises RemoteError when it could not be run."""
    ended = threading.Event()
    talk = threading.Thread(target=_speak, args=(session, streams.stdin, ended), daemon=True)
    with _terminal(session, streams.stdin if tty else None):
        talk.start()
        try:
            return _listen(session, streams)
        finally:
            ended.set()
            talk.join(_LOOK * 5)


def _listen(session: Session, streams: Streams) -> int:
    outputs = {_STDOUT: streams.stdout, _STDERR: streams.stderr}
    while True:
        message = session.receive_bytes()
        channel, payload = message[:1], message[1:]
        if not channel:
            continue
        if channel[0] == _END:
            return exit_code(payload)
        if channel[0] in outputs and payload:
            outputs[channel[0]].write(payload)
            outputs[channel[0]].flush()


def exit_code(payload: bytes) -> int:
    """Of the Status with which the API server ends the conversation. Raises RemoteError.

    k8s.io/apimachinery, pkg/util/remotecommand: reason NonZeroExitCode, cause ExitCode.
    """
    try:
        status = msgspec.json.decode(payload, type=_Status)
    except msgspec.DecodeError:
        status = _Status(message="the API server ended it with what is no Status")
    if status.status == "Success":
        return 0
    if status.reason == "NonZeroExitCode":
        for cause in status.details.causes:
            if cause.reason == "ExitCode" and cause.message.isdecimal():
                return int(cause.message)
    raise RemoteError(
        "the command could not be run",
        status.message,
        "look at its name: an image without a shell has no sh",
    )


class _Cause(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct, frozen=True):
    causes: tuple[_Cause, ...] = ()


class _Status(msgspec.Struct, frozen=True):
    status: str = "Failure"
    message: str = ""
    reason: str = ""
    details: _Details = _Details()


def _speak(session: Session, stdin: BinaryIO | None, ended: threading.Event) -> None:
    """What is typed or piped in, until its end or the command's."""
    try:
        for chunk in _chunks(stdin, ended) if stdin else ():
            session.send_bytes(bytes([_STDIN]) + chunk)
        if not ended.is_set() and session.subprotocol == PROTOCOLS[0]:
            session.send_bytes(bytes([_CLOSE, _STDIN]))  # older servers have no word for it
    except Exception:  # noqa: BLE001 - the conversation is over: whoever listens says why
        return


def _chunks(stdin: BinaryIO, ended: threading.Event) -> Iterator[bytes]:
    descriptor = _descriptor(stdin)
    while not ended.is_set():
        if descriptor is None:
            chunk = stdin.read(_CHUNK)
        elif not select.select([descriptor], [], [], _LOOK)[0]:
            continue
        else:
            chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            return
        yield chunk


def _descriptor(stream: BinaryIO) -> int | None:
    try:
        return stream.fileno()
    except OSError:
        return None


@contextmanager
def _terminal(session: Session, stdin: BinaryIO | None) -> Iterator[None]:
    """The person's terminal raw, and its size told at the start and whenever it changes."""
    descriptor = _descriptor(stdin) if stdin else None
    if descriptor is None or not os.isatty(descriptor):
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        _tell_size(session, descriptor)
        with _on_resize(lambda: _tell_size(session, descriptor)):
            yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _on_resize(tell: Callable[[], None]) -> Iterator[None]:
    """Signals are the main thread's alone; elsewhere the size stays what it was."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.getsignal(signal.SIGWINCH)
    signal.signal(signal.SIGWINCH, lambda *_: tell())
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, old)


def _tell_size(session: Session, descriptor: int) -> None:
    size = os.get_terminal_size(descriptor)
    words = msgspec.json.encode({"Width": size.columns, "Height": size.lines})
    try:
        session.send_bytes(bytes([_SIZE]) + words)
    except Exception:  # noqa: BLE001 - the conversation is over: whoever listens says why
        return
