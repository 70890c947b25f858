"""A question before something changes."""

import sys

import click

from shipit.errors import UsageError


def ask(question: str, would: str) -> None:
    """Raises click.Abort for a no, UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError(
            f"{would}, and nobody can be asked",
            "standard input is not a terminal",
            "run it again with --yes",
        )
    click.confirm(question, abort=True, err=True)
