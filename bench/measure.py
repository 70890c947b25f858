"""Wall times of programs, and what they are held against."""

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SHIPIT = str(ROOT / ".venv" / "bin" / "shipit")
PYTHON = str(ROOT / ".venv" / "bin" / "python")


class Result(NamedTuple):
    """`ours` and `peer` in the unit that the name says; `limit` is the largest `ratio` allowed."""

    name: str
    ours: float
    peer: float
    ratio: float
    limit: float

    @property
    def kept(self) -> bool:
        return self.ratio <= self.limit


def seconds(
    argv: Sequence[str], *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> float:
    """One run's wall time. A program that fails is no measurement: its output is raised."""
    began = time.perf_counter()
    done = subprocess.run(
        list(argv),
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        check=False,
    )
    took = time.perf_counter() - began
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}: {said}")
    return took


def against(
    name: str,
    ours: Sequence[str],
    peer: Sequence[str],
    *,
    limit: float,
    runs: int = 15,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> Result:
    """Medians in milliseconds; the two take turns, so that a busy machine is busy for both."""
    for argv in (ours, peer):  # caches warm, bytecode written
        seconds(argv, cwd=cwd, env=env)
    pairs = [
        (seconds(ours, cwd=cwd, env=env), seconds(peer, cwd=cwd, env=env)) for _ in range(runs)
    ]
    mine, others = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    return Result(name, mine, others, mine / others, limit)
