"""`make docs`: the reference pages that are made from the code. A test compares them."""

from pathlib import Path

from shipit.cli.reference import reference
from shipit.config.schema import write

CLI = Path(__file__).parent / "reference" / "cli.md"

if __name__ == "__main__":
    write()
    CLI.write_text(reference(), encoding="utf-8")
