"""`shipit`, and `python -m shipit`."""

import sys
from contextlib import suppress

from shipit import __version__

INTERRUPTED = 130


def main() -> None:
    if sys.argv[1:] == ["--version"]:  # asked by scripts all day: it needs no command line parser
        with suppress(OSError):  # a full disk is told by the parser's way of ending
            print(f"shipit {__version__}", flush=True)  # noqa: T201
            return
    try:
        from shipit.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # outside of what `run` catches: while its imports are read
        code = INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
