"""`python -m bench [NAME ...]`: what every module here with a `run()` found, in one table.

Exits with 1 when a limit is not kept.
"""

import importlib
import pkgutil
import sys
from collections.abc import Iterator

import bench
from bench.measure import Result


def results(names: list[str]) -> Iterator[Result]:
    for module in pkgutil.iter_modules(bench.__path__):
        if names and module.name not in names:
            continue
        if module.name.startswith("_"):  # __main__ itself
            continue
        run = getattr(importlib.import_module(f"bench.{module.name}"), "run", None)
        if run is not None:
            yield from run()


def main(names: list[str]) -> int:
    print(f"{'what':<56} {'ours':>10} {'peer':>10} {'ratio':>8} {'limit':>8}")
    missed = 0
    for found in results(names):
        missed += not found.kept
        mark = "" if found.kept else "  over the limit"
        print(
            f"{found.name:<56} {found.ours:>10.2f} {found.peer:>10.2f} "
            f"{found.ratio:>7.2f}x {found.limit:>7.2f}x{mark}",
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
