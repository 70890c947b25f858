"""`shipit history`: deployments, the newest first."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import click

from shipit.cli.session import Session, env_option, verb
from shipit.model.duration import format_duration
from shipit.model.state import Record


@verb("history")
@env_option(required=False)
@click.option("--limit", "-n", type=click.IntRange(1), default=20, show_default=True)
@click.option("--all", "everything", is_flag=True, help="Back to the first one.")
def command(session: Session, environment: str, limit: int, *, everything: bool) -> None:
    """Deployments, the newest first: what, where, by whom, and how it ended."""
    from shipit.delivery.history import all_records, recent_records

    if environment:
        session.project.environment(environment)
    if everything or limit > 50:
        found: Iterable[Record] = all_records(session.project, environment)
    else:
        found = recent_records(session.project, environment)
    records = list(found if everything else islice(found, limit))
    session.show(records, lambda: _draw(records))


def _draw(records: list[Record]) -> None:
    from shipit.cli.present.table import table

    headers = ["no", "environment", "release", "kind", "outcome", "when", "took", "by", "why"]
    table(headers, _rows(records, datetime.now(UTC)))


def _rows(records: list[Record], now: datetime) -> Iterator[tuple[str, ...]]:
    from shipit.cli.present.table import since

    for r in records:
        took: timedelta = r.ended_at - r.started_at
        yield (
            str(r.token),
            r.environment,
            r.release_id,
            r.kind,
            r.outcome.replace("_", " "),
            since(r.ended_at, now),
            format_duration(took),
            r.by.name,
            str(r.reasons[0]) if r.reasons else "",
        )
