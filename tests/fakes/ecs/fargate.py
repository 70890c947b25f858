"""The pairs of CPU units and MiB that Fargate has (developer guide, "Task CPU and memory")."""

_GIB = 1024
_PAIRS: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(_GIB, 4 * _GIB + 1, _GIB)),
    1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
}


def is_pair(cpu: str, memory: str) -> bool:
    return cpu.isdigit() and memory.isdigit() and int(memory) in _PAIRS.get(int(cpu), ())


def units(cpu: str) -> str:
    """`256` and `.25 vCPU` are the same."""
    number, _, unit = cpu.partition(" ")
    if unit.lower() != "vcpu":
        return cpu
    return str(int(float(number) * 1024))


def mebibytes(memory: str) -> str:
    """`1024` and `1GB` are the same."""
    text = memory.strip().upper().replace(" ", "")
    return str(int(float(text[:-2]) * _GIB)) if text.endswith("GB") else memory
