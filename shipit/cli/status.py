"""`shipit status`: the matrix of services and environments, out of the ledger."""

from datetime import UTC, datetime

import click

from shipit.cli.present.matrix import build_matrix
from shipit.cli.session import Session, verb


@verb("status")
@click.option("--live", is_flag=True, help="Ask the targets too: what runs this instant.")
def command(session: Session, *, live: bool) -> None:
    """The matrix of services and environments: which digest runs where, since when, how well.

    Read from the ledger, so it needs no target; --live asks the targets as well.
    """
    from shipit.cli.present.matrix_text import draw

    project = session.project
    observed = {}
    if live:
        from shipit.delivery.live import observe_all

        observed = observe_all(project)
    matrix = build_matrix(project.pipeline, project.ledger.read(), datetime.now(UTC), observed)
    session.show(matrix, lambda: draw(matrix))
