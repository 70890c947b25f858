"""`shipit releases`: what was built, the newest first, and where it runs."""

from datetime import UTC, datetime

import click

from shipit.cli.session import Session, verb
from shipit.model.release import ReleaseSummary
from shipit.model.state import State


@verb("releases")
@click.option("--limit", "-n", type=click.IntRange(1), default=20, show_default=True)
def command(session: Session, limit: int) -> None:
    """Releases, the newest first: their source, and where they run."""
    state = session.project.ledger.read()
    releases = state.releases[:limit]
    rows = [{"runs_in": _where(r, state), "release": r} for r in releases]
    session.show(rows, lambda: _draw(releases, state))


def _where(release: ReleaseSummary, state: State) -> list[str]:
    return [
        name
        for name, env in state.environments.items()
        if env.current and env.current.release == release.digest
    ]


def _draw(releases: tuple[ReleaseSummary, ...], state: State) -> None:
    from shipit.cli.present.table import since, table

    now = datetime.now(UTC)
    rows = [
        (
            r.id,
            r.digest.short,
            since(r.created_at, now),
            r.created_by,
            ", ".join(_where(r, state)),
            r.source.subject[:60],
        )
        for r in releases
    ]
    if not rows:
        click.echo("there is no release yet: run `shipit build`", err=True)
    table(["release", "digest", "built", "by", "runs in", "subject"], rows)
