"""What a test may not touch without the marker that says so: tools, and other machines.

Programs that a test starts itself, and every connection of this process, are seen by one audit
hook (PEP 578): it cannot be forgotten by an import, and code under test cannot catch its way
around it, since what was refused is also written down. Programs that those programs start meet
`docker` and `dockerd` of the fence's own first in PATH, and an engine that is not there.
"""

import ipaddress
import os
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# Without a registry or an engine, Compose still renders files.
_HARMLESS = {"docker-compose": {"config", "version", "--help"}}
_NEEDS = {
    "docker": "engine",
    "dockerd": "engine",
    "containerd": "engine",
    "docker-buildx": "engine",
    "docker-compose": "engine",
    "podman": "engine",
    "docker-registry": "registry",
    "ministack": "aws",
    "control-plane": "cluster",
    "etcd": "cluster",
    "kube-apiserver": "cluster",
}
_STUBS = "fenced-programs"
NO_ENGINE = "unix:///no/engine/without/the/marker.sock"
_STUB = '#!/bin/sh\necho "{name} $*" >>{record}\necho "a test started {name}" >&2\nexit 97\n'


class Fence:
    """The markers of the test under way, and what it was refused."""

    def __init__(self, folder: Path) -> None:
        self.refused: list[str] = []
        self._marks: frozenset[str] | None = None  # None: no test is under way
        self._record = folder / "started"
        self._stubs = folder / _STUBS
        self._stubs.mkdir()
        for name in ("docker", "dockerd"):
            stub = self._stubs / name
            stub.write_text(_STUB.format(name=name, record=shlex.quote(str(self._record))))
            stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
        sys.addaudithook(self._hear)

    @contextmanager
    def around(self, marks: frozenset[str]) -> Iterator[None]:
        """A test's setup or call. What it was refused makes it fail, also when it caught that."""
        self.refused.clear()
        self._marks = marks
        try:
            yield
        finally:
            self._marks = None
            refused = [*self.refused, *self._started()]
        if refused:
            pytest.fail("\n".join(refused), pytrace=False)

    def environment(self) -> dict[str, str]:
        """For the programs that an unmarked test starts."""
        path = f"{self._stubs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {"PATH": path, "DOCKER_HOST": NO_ENGINE}

    def _started(self) -> list[str]:
        if not self._record.exists():
            return []
        lines = self._record.read_text().splitlines()
        self._record.unlink()
        return [
            f"`{line}` was started by a program of this test: mark it `engine`" for line in lines
        ]

    def _hear(self, event: str, values: tuple[Any, ...]) -> None:
        if self._marks is None or event not in _JUDGES:
            return
        why = _JUDGES[event](*values, marks=self._marks)
        if why:
            self.refused.append(why)
            pytest.fail(why)


def _program(
    executable: Any, argv: Any, _: Any, env: Mapping[str, str] | None, *, marks: frozenset[str]
) -> str:
    words = [os.fsdecode(word) for word in ([argv] if isinstance(argv, str | bytes) else argv)]
    found = Path(shutil.which(words[0], path=(env or os.environ).get("PATH")) or words[0])
    needed = _NEEDS.get(found.name, "")
    if words[1:3] == ["-m", "moto.server"]:
        needed = "aws"
    if not needed or needed in marks or _HARMLESS.get(found.name, set()).intersection(words):
        return ""
    # A stand-in that the test wrote itself, and no program of a checkout that is in /tmp.
    stands_in = found.is_relative_to(tempfile.gettempdir()) and found.parent.name != _STUBS
    if stands_in and not found.is_relative_to(sys.prefix):
        return ""
    return f"`{shlex.join(words[:4])}` was started: mark this test `{needed}`"


def _connection(_: Any, address: Any, *, marks: frozenset[str]) -> str:
    if isinstance(address, str | bytes):
        path = os.fsdecode(address)
        if "engine" in marks or not path.endswith("docker.sock"):
            return ""
        return f"the engine at {path} was asked: mark this test `engine`"
    host = address[0] if isinstance(address, tuple) else ""
    return _host(host, marks) if isinstance(host, str) else ""


def _lookup(host: Any, *_: Any, marks: frozenset[str]) -> str:
    return _host(os.fsdecode(host), marks) if host else ""


def _host(host: str, marks: frozenset[str]) -> str:
    """With an engine, its containers' own addresses are in reach too; with a cluster of the
    user's own, wherever that is."""
    if "engine" in marks or host in ("localhost", ""):
        return ""
    if "cluster" in marks and os.environ.get("SHIPIT_TEST_KUBECONFIG"):
        return ""
    try:
        near = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        near = False
    return "" if near else f"{host} was reached for: tests stay on loopback"


_JUDGES: dict[str, Callable[..., str]] = {
    "subprocess.Popen": _program,
    "socket.connect": _connection,
    "socket.getaddrinfo": _lookup,
}
