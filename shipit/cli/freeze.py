"""`shipit freeze`: stop the line."""

import click

from shipit.cli.session import Session, verb


@verb("freeze")
@click.argument("environment", metavar="[ENV]", required=False, default="")
@click.option("--reason", required=True, help="Why; shown to everybody who meets the hold.")
def command(session: Session, environment: str, reason: str) -> None:
    """Stop the line: nothing new enters ENV (or any environment) until it is lifted."""
    from shipit.delivery.people import freeze

    held = freeze(session.project, environment, reason)
    session.show({"held": held}, lambda: click.echo(f"held: {', '.join(held)}"))
