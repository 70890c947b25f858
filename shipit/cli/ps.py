"""`shipit ps`: an environment's containers."""

from collections.abc import Mapping
from datetime import UTC, datetime

import click

from shipit.cli.session import Session, env_option, verb


@verb("ps")
@env_option()
def command(session: Session, environment: str) -> None:
    """List the containers of an environment."""
    from shipit.delivery.containers import containers

    rows = containers(session.project, environment)

    def draw() -> None:
        from shipit.cli.present.table import table

        if not rows:
            click.echo(f"nothing runs in {environment}", err=True)
            return
        now = datetime.now(UTC)
        table(list(rows[0]), [tuple(_shown(row, now).values()) for row in rows])

    session.show(rows, draw)


def _shown(row: Mapping[str, str], now: datetime) -> dict[str, str]:
    """As people read it: the digest short, and how long ago. The JSON form has both whole."""
    from shipit.cli.present.table import since

    begun = datetime.fromisoformat(row["since"]) if row["since"] else None
    _, _, hexadecimal = row["digest"].partition(":")
    return {**row, "digest": hexadecimal[:12], "since": since(begun, now)}
