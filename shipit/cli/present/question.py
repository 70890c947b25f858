"""A question before something changes."""

import sys

import click

from shipit.errors import UsageError


def agreed(question: str, would: str) -> bool:
    """Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError(
            f"{would}, and nobody can be asked",
            "standard input is not a terminal",
            "run it again with --yes",
        )
    return click.confirm(question, err=True)
