"""This machine's registry, lent to an engine behind ssh for as long as it pulls."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from shipit.targets.engine.transport import ssh

_ROUND_TRIP = b"ready\n"


@contextmanager
def lent(url: str, ports: Iterable[int]) -> Iterator[None]:
    """The far side's 127.0.0.1:port leads here while the block runs.

    Where the far side already has the port (it may be this very machine), nothing is lent, and
    the pull itself tells whether that was right.
    """
    options = ["-o", "ExitOnForwardFailure=yes", "-o", "LogLevel=ERROR"]
    for port in ports:
        options += ["-R", f"127.0.0.1:{port}:127.0.0.1:{port}"]
    program, *rest = ssh(url)
    process = subprocess.Popen(
        [program, *options, *rest, "cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(process)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _await(process: "subprocess.Popen[bytes]") -> None:
    """sshd handles requests in order: once `cat` answers, the ports are there, or ssh has ended."""
    if not process.stdin or not process.stdout:
        return
    try:
        process.stdin.write(_ROUND_TRIP)
        process.stdin.flush()
        process.stdout.readline()
    except BrokenPipeError:
        return
