"""`shipit ps`: an environment's containers."""

from shipit.cli.session import Session, env_option, verb


@verb("ps")
@env_option()
def command(session: Session, environment: str) -> None:
    """List the containers of an environment."""
    from shipit.delivery.containers import containers

    rows = containers(session.project, environment)

    def draw() -> None:
        from shipit.cli.present.table import table

        headers = list(rows[0]) if rows else ["name"]
        table(headers, [tuple(row.values()) for row in rows])

    session.show(rows, draw)
