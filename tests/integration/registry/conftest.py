"""A client without credentials, and a folder that other processes serve too."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipit.registry.client import Client
from shipit.registry.keychain import Chain

ROOT = Path(__file__).parents[3]

_SERVE = """
    import sys
    from pathlib import Path
    from shipit.registry.embedded import EmbeddedRegistry
    with EmbeddedRegistry(Path(sys.argv[1])) as registry:
        print(registry.address, flush=True)
        sys.stdin.read()
"""

Serve = Callable[[Path], tuple[subprocess.Popen[str], str]]


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(Chain([])) as opened:
        yield opened


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Another process that serves a folder until its stdin is closed; it and its address."""
    running: list[subprocess.Popen[str]] = []

    def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_SERVE), str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
