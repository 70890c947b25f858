"""`shipit start`: what was stopped runs again."""

import click

from shipit.cli.session import Session, env_option, verb


@verb("start")
@env_option()
@click.argument("services", nargs=-1)
def command(session: Session, environment: str, services: tuple[str, ...]) -> None:
    """Start stopped SERVICES (or all) as they were."""
    from shipit.delivery.containers import start

    names = start(session.project, environment, services)
    session.show({"started": names}, lambda: click.echo(f"started: {', '.join(names) or '-'}"))
    if names and not session.as_json:
        session.say(f"started is not yet healthy: `shipit verify --env {environment}` proves it")
