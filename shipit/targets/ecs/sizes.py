"""Amounts: CPU shares and MiB, and the pairs that Fargate has.

docs.aws.amazon.com/AmazonECS, "Task CPU and memory" of task definition parameters for Fargate.
"""

import math
from typing import Any

from shipit.errors import ConfigurationError

_MIB = 1024 * 1024
_GIB = 1024  # in MiB
SHARES = 1024  # CPU units of one vCPU

FARGATE: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1 * _GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}


def fargate(cpu: int, memory: int, path: str) -> tuple[int, int]:
    """The smallest pair with so many CPU units and MiB. Raises ConfigurationError."""
    for units, memories in FARGATE.items():
        fitting = [m for m in memories if m >= memory]
        if units >= cpu and fitting:
            return units, fitting[0]
    raise ConfigurationError(
        f"Fargate has no task with {cpu / SHARES:g} vCPU and {memory} MiB",
        path=path,
        why="its largest has 16 vCPU and 120 GiB",
        next_step="ask for less, or use launch_type: ec2",
    )


def cpu_units(value: Any) -> int:
    """Compose's `cpus: 0.5` is 512."""
    return math.ceil(float(value) * SHARES)


def mebibytes(value: Any) -> int:
    """Compose renders sizes in bytes, as text."""
    return math.ceil(int(value) / _MIB)
