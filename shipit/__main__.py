"""`shipit`, and `python -m shipit`."""

import sys


def main() -> None:
    from shipit.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
