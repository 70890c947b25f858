"""`shipit pipeline`: build, then environment after environment until a gate holds."""

import click

from shipit.cli.session import Session, verb


@verb("pipeline")
@click.option("--to", default="", metavar="ENV", help="Go no further than this environment.")
def command(session: Session, to: str) -> None:
    """Build, then environment after environment until a gate holds (exit code 3)."""
    from shipit.cli.entering import carry_out
    from shipit.delivery.pipeline import run_pipeline

    carry_out(session, run_pipeline(session.project, to=to), lambda result: result.deployments)
