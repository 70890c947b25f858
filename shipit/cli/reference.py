"""docs/reference/cli.md, from the commands themselves, so that it says what `--help` says."""

from collections.abc import Iterator

import click

from shipit.cli.app import group
from shipit.cli.verbs import SECTIONS

_WIDTH = 88
_HEAD = """\
# The command line

<!-- Made from shipit/cli by `make docs`. -->

Every command takes `--json`: what it found as one JSON document, or, where it works through stages,
one JSON object a line, the result last. Progress and errors for people go to standard error. In CI
(`CI=true`) and without a terminal, progress is plain lines with the time.

A release is named by its id, its commit or its digest, or by any beginning of one that fits no
other. Exit codes are on [a page of their own](exit-codes.md).

| variable | what it does |
|---|---|
| `SHIPIT_FILE` | as `--file` |
| `SHIPIT_ACTOR` | who is on record; left out: the CI's user, or git's `user.email` |
| `SHIPIT_LEASE_TTL` | seconds without a sign of life after which a lease is taken over (30) |
| `NO_COLOR`, `FORCE_COLOR` | no colours; colours without a terminal, as in CI logs |
| `DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG` | as for docker |
"""


def reference() -> str:
    """The page, in Markdown."""
    return "\n".join([_HEAD, *_sections()])


def _sections() -> Iterator[str]:
    context = _context(group, "shipit")
    yield _help(group, context)
    for section, verbs in SECTIONS.items():
        yield f"## {section}\n"
        for name in verbs:
            command = group.get_command(context, name)
            if command is not None:
                yield from _described(command, _context(command, name, context))


def _described(command: click.Command, context: click.Context) -> Iterator[str]:
    """A verb, and after a group the verbs in it."""
    yield f"### {context.command_path}\n"
    yield _help(command, context)
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from _described(below, _context(below, name, context))


def _context(
    command: click.Command, name: str, parent: click.Context | None = None
) -> click.Context:
    return click.Context(
        command,
        parent=parent,
        info_name=name,
        terminal_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )


def _help(command: click.Command, context: click.Context) -> str:
    return f"```text\n{command.get_help(context).rstrip()}\n```\n"
