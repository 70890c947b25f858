"""`shipit`, and `python -m shipit`."""

import sys

INTERRUPTED = 130


def main() -> None:
    try:
        from shipit.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # outside of what `run` catches: while its imports are read
        code = INTERRUPTED
    sys.exit(code)


if __name__ == "__main__":
    main()
