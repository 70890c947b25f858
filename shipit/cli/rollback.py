"""`shipit rollback`: back to a release that ran before, and hold."""

import click

from shipit.cli.session import Session, env_option, verb


@verb("rollback")
@env_option()
@click.option("--to", default="", metavar="R", help="Default: the release that ran before.")
@click.option("--reason", default="", help="Why, for the record and for who meets the hold.")
def command(session: Session, environment: str, to: str, reason: str) -> None:
    """Go back to a release that ran before, and hold the environment.

    The hold keeps automation from going forward again; `shipit unfreeze ENV` lifts it.
    """
    from shipit.cli.entering import show
    from shipit.delivery.rollback import rollback

    show(session, rollback(session.project, environment, to=to, reason=reason))
    if not session.as_json:
        session.say(f"{environment} is held; lift it with `shipit unfreeze {environment}`")
