"""`shipit exec`: a command in a running container."""

import sys

import click

from shipit.cli.session import Session, env_option, target_option, verb


@verb("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@env_option()
@target_option
@click.option("--no-tty", "-T", is_flag=True, help="No terminal, also when there is one.")
@click.argument("service")
@click.argument("words", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    session: Session,
    environment: str,
    target: str,
    service: str,
    words: tuple[str, ...],
    *,
    no_tty: bool,
) -> int:
    """Run COMMAND in a running container of SERVICE. Its exit code is ours."""
    from shipit.delivery.containers import execute

    tty = not no_tty and sys.stdin.isatty() and sys.stdout.isatty()
    words = words[1:] if words[0] == "--" else words
    return execute(session.project, environment, service, words, tty=tty, target=target)
