"""`shipit explain`: why a release may or may not enter an environment, gate by gate."""

import click

from shipit.cli.session import Session, env_option, verb


@verb("explain")
@click.argument("release", metavar="[R]", required=False, default="")
@env_option()
def command(session: Session, release: str, environment: str) -> None:
    """Why release R may or may not enter an environment, gate by gate.

    Without R: the release that `deploy` would take.
    """
    from shipit.delivery.explain import Explanation, explain

    found = explain(session.project, release, environment)

    def draw(shown: Explanation = found) -> None:
        from shipit.cli.present.table import table
        from shipit.cli.verdicts import rows

        answer = "may enter" if shown.allowed else "may not enter"
        click.echo(f"{shown.release_id} {answer} {shown.environment}")
        table(["gate", "answer", "why"], rows(shown.verdicts))

    session.show(found, draw)
