"""`shipit logs`: what containers write."""

import click

from shipit.cli.session import Session, env_option, target_option, verb


@verb("logs")
@env_option()
@target_option
@click.option("--follow", "-f", is_flag=True, help="Go on as they write.")
@click.option("--tail", "-n", type=click.IntRange(0), help="Only the last lines of each container.")
@click.option("--since", metavar="TIME", help="Only what is newer: 10m, or a time.")
@click.argument("services", nargs=-1)
def command(
    session: Session,
    environment: str,
    target: str,
    tail: int | None,
    since: str | None,
    services: tuple[str, ...],
    *,
    follow: bool,
) -> None:
    """Show what the containers of SERVICES (or of all) write."""
    from shipit.delivery.containers import logs
    from shipit.model import codec

    lines = logs(
        session.project,
        environment,
        services,
        follow=follow,
        tail=tail,
        since=since,
        target=target,
    )
    for container, line in lines:
        if session.as_json:
            click.echo(codec.encode({"container": container, "line": line}).decode())
        else:
            click.echo(f"{container} | {line}")
