"""Copies between two registries over TLS, side by side with crane, oras and skopeo.

Wall times in milliseconds, medians. Everybody takes turns within one run, so that a busy machine
is busy for all. Ours is measured twice: the library in this process, and the command with the
interpreter's start.
"""

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench import images, peers, registries
from bench.measure import PYTHON, SHIPIT, Result, seconds
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.registry.client import Client
from shipit.registry.keychain import Chain

RUNS = 7
PEERS = ("crane", "oras", "skopeo")
_MB = 1_000_000
_MEMORY = 64  # MB


class Case(NamedTuple):
    """`home` says that source and destination are one registry, `again` that the copy is there;
    `limit` is for the library against the fastest peer's command."""

    name: str
    make: Callable[[Client, str], Image]
    limit: float
    home: bool = False
    again: bool = False


class Ground(NamedTuple):
    """Two registries, and the folder of the second one's data."""

    source: str
    destination: str
    data: Path


def _layers(count: int, size: int) -> Callable[[Client, str], Image]:
    return lambda client, repository: Image(
        repository, images.push_image(client, repository, count, size).digest
    )


CASES = (
    Case("500 MB in 10 layers", _layers(10, 50 * _MB), 0.8),
    Case("60 layers of 1 MB", _layers(60, _MB), 1.0),
    Case("4 platforms, signed", partial(images.push_signed_index, platforms=4, size=2 * _MB), 1.0),
    Case("already there", _layers(10, _MB), 1.0, again=True),
    Case("mount in one registry", _layers(10, _MB), 1.0, home=True),
)


def run() -> Iterator[Result]:
    if shutil.which("docker-registry") is None:
        print("copy: no docker-registry: `scripts/ground --tests` installs it")
        return
    found = [name for name in PEERS if peers.find(name)]
    if not found:
        print("copy: no crane, oras or skopeo: `scripts/ground --tests` installs them")
        return
    bare = statistics.median(seconds([PYTHON, "-c", "pass"]) for _ in range(RUNS)) * 1000
    with ExitStack() as stack:
        ground = _ground(stack)
        for case in CASES:
            yield from _case(case, ground, found, bare)
        yield from _memory(ground)


def _ground(stack: ExitStack) -> Ground:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_fast_folder())))
    certificate, key = stack.enter_context(registries.authority(folder))
    one, two = (
        stack.enter_context(registries.registry(folder / name, certificate, key))
        for name in ("one", "two")
    )
    return Ground(one, two, folder / "two" / "data")


def _fast_folder() -> str | None:
    """In memory where that is to be had: the disk is nobody's merit."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _case(case: Case, ground: Ground, found: list[str], bare: float) -> Iterator[Result]:
    source = f"{ground.source}/source/case{CASES.index(case)}"
    with Client(Chain([])) as client:
        image = case.make(client, source)
        vouchers = [d.digest for d in client.referrers(source, image.digest)]
    where = ground.source if case.home else ground.destination
    times: dict[str, list[float]] = {}
    for turn in range(RUNS + 1):  # the first one warms up
        for name in _in_turn(["library", "command", *found], turn):
            target = f"{where}/case{CASES.index(case)}/{name}{'' if case.again else turn}"
            took = _timed(name, image, vouchers, target)
            if turn:
                times.setdefault(name, []).append(took)
            if not (case.again or case.home):
                shutil.rmtree(ground.data, ignore_errors=True)
    medians = {name: statistics.median(each) * 1000 for name, each in times.items()}
    best = min(found, key=lambda name: medians[name])
    ours, theirs = medians["library"], medians[best]
    yield Result(f"copy, {case.name}, ms : {best}", ours, theirs, ours / theirs, case.limit)
    each = ", ".join(f"{name} {median:.0f}" for name, median in medians.items())
    print(f"  {each}; a bare interpreter's start is {bare:.0f} of the command's")


def _in_turn(names: list[str], turn: int) -> list[str]:
    """Nobody is always the one after the largest clean-up."""
    first = turn % len(names)
    return names[first:] + names[:first]


def _timed(name: str, image: Image, vouchers: list[Digest], target: str) -> float:
    if name == "library":
        began = time.perf_counter()
        with Client(Chain([])) as client:
            client.copy(image, target, tag="v1")
        return time.perf_counter() - began
    if name == "command":
        return seconds([SHIPIT, "copy", image.reference, f"{target}:v1"])
    lines = peers.copies(name, image.repository, image.digest, vouchers, target)
    return sum(seconds(line) for line in lines)


def _memory(ground: Ground) -> Iterator[Result]:
    """The command's peak, in MB, for a small and a large image: the same, and under the limit."""
    peaks = []
    for layers, size in ((10, 10 * _MB), (20, 100 * _MB)):
        source = f"{ground.source}/source/memory{layers}"
        with Client(Chain([])) as client:
            image = _layers(layers, size)(client, source)
        target = f"{ground.destination}/memory/layers{layers}:v1"
        peak = _peak([SHIPIT, "copy", image.reference, target])
        shutil.rmtree(ground.data)
        peaks.append(peak)
        name = f"copy, peak memory for {layers * size // _MB} MB, MB"
        yield Result(name, peak, _MEMORY, peak / _MEMORY, 1.0)
    yield Result("copy, peak memory, 2 GB : 100 MB", peaks[1], peaks[0], peaks[1] / peaks[0], 1.15)


def _peak(argv: list[str]) -> float:
    """By a process of its own: rusage keeps the largest of all children."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
        "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([PYTHON, "-c", code, *argv], capture_output=True, text=True, check=True)
    return int(done.stdout) * 1024 / _MB
