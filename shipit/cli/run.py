"""`shipit run`: a command in a container of its own."""

import sys

import click

from shipit.cli.session import Session, env_option, target_option, verb


@verb("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@env_option()
@target_option
@click.option("--no-tty", "-T", is_flag=True, help="No terminal, also when there is one.")
@click.argument("service")
@click.argument("words", metavar="[COMMAND...]", nargs=-1, type=click.UNPROCESSED)
def command(
    session: Session,
    environment: str,
    target: str,
    service: str,
    words: tuple[str, ...],
    *,
    no_tty: bool,
) -> int:
    """Run COMMAND (or the service's own) in a new container of SERVICE, of the release that runs
    there. Its exit code is ours."""
    from shipit.delivery.containers import run

    tty = not no_tty and sys.stdin.isatty() and sys.stdout.isatty()
    words = words[1:] if words[:1] == ("--",) else words
    return run(session.project, environment, service, words, tty=tty, target=target)
