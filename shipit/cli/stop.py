"""`shipit stop`: services rest, and stay as they are."""

import click

from shipit.cli.session import Session, env_option, verb


@verb("stop")
@env_option()
@click.option("--reason", default="", help="Why; `status` shows it.")
@click.argument("services", nargs=-1)
def command(session: Session, environment: str, reason: str, services: tuple[str, ...]) -> None:
    """Stop SERVICES (or all) of an environment; `start` brings them back as they were."""
    from shipit.delivery.containers import stop

    names = stop(session.project, environment, services, reason)
    session.show({"stopped": names}, lambda: click.echo(f"stopped: {', '.join(names) or '-'}"))
