"""`shipit rm`: an environment's containers and networks go."""

import sys

import click

from shipit.cli.session import Session, env_option, verb
from shipit.errors import UsageError


@verb("rm")
@env_option()
@click.option("--volumes", "-v", is_flag=True, help="Named volumes too: their data is lost.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def command(session: Session, environment: str, *, volumes: bool, yes: bool) -> None:
    """Remove an environment's containers and networks. Its history and releases stay."""
    from shipit.delivery.containers import remove

    session.project.environment(environment)
    if not yes:
        _ask(environment, volumes=volumes)
    names = remove(session.project, environment, volumes=volumes)
    session.show({"removed": names}, lambda: click.echo(f"removed: {', '.join(names) or '-'}"))


def _ask(environment: str, *, volumes: bool) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            f"{environment} is not removed without a word from you",
            next_step="say it with --yes",
        )
    what = "everything, volumes and their data too" if volumes else "containers and networks"
    answer = click.prompt(f"Removes {what} of {environment}. Its name, to go on", err=True)
    if answer != environment:
        raise UsageError(f"{answer!r} is not {environment}: nothing was removed")
