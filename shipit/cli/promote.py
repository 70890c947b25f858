"""`shipit promote`: what runs upstream goes one environment on."""

import click

from shipit.cli.session import Session, verb


@verb("promote")
@click.argument("environment", metavar="ENV")
@click.option("--release", "-r", default="", metavar="R", help="Default: what runs upstream.")
@click.option("--override", default="", metavar="REASON", help="Go past a gate; put on record.")
def command(session: Session, environment: str, release: str, override: str) -> None:
    """Take what runs upstream into ENV: `deploy --env ENV`, said the other way."""
    from shipit.cli.entering import enter
    from shipit.delivery.request import Request
    from shipit.model.events import Kind

    enter(session, Request(environment, release=release, kind=Kind.PROMOTE, override=override))
