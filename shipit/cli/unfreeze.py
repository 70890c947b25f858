"""`shipit unfreeze`: lift a hold, on purpose."""

import click

from shipit.cli.session import Session, verb


@verb("unfreeze")
@click.argument("environment", metavar="[ENV]", required=False, default="")
@click.option("--reason", default="", help="Why; kept on record.")
def command(session: Session, environment: str, reason: str) -> None:
    """Lift the hold on ENV (or on every environment), also one that a rollback set."""
    from shipit.delivery.people import unfreeze

    lifted = unfreeze(session.project, environment, reason)
    words = f"lifted: {', '.join(lifted)}" if lifted else "nothing was held"
    session.show({"lifted": lifted}, lambda: click.echo(words))
