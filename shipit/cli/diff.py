"""`shipit diff`: two environments or releases beside each other."""

import click

from shipit.cli.session import Session, verb


@verb("diff")
@click.argument("a")
@click.argument("b")
def command(session: Session, a: str, b: str) -> None:
    """Compare A with B: each an environment or a release.

    Shows the commits between, the digests that differ, and the configuration that does.
    """
    from shipit.delivery.diff import Diff, diff

    found = diff(session.project, a, b)

    def draw(shown: Diff = found) -> None:
        from shipit.cli.present.table import short, table

        click.echo(f"{shown.a.name}: {shown.a.release_id}   {shown.b.name}: {shown.b.release_id}")
        rows = [
            (s.service, short(s.a), short(s.b), "same" if s.a == s.b else "differs")
            for s in shown.services
        ]
        table(["service", shown.a.name, shown.b.name, ""], rows)
        for line in shown.commits:
            click.echo(f"  {line}")
        for line in shown.configuration:
            click.secho(line, fg={"+": "green", "-": "red"}.get(line[:1]))
        if shown.same:
            click.echo("the same bytes and the same configuration")

    session.show(found, draw)
