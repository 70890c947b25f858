"""`shipit gc`: what deployments left over."""

import click

from shipit.cli.session import Session, env_option, verb


@verb("gc")
@env_option()
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=10,
    metavar="N",
    help="How many of each kind stay all the same (10).",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def command(session: Session, environment: str, *, keep: int, yes: bool) -> None:
    """Take away what deployments left over and nothing needs any more.

    On ECS these are revisions of task definitions that no service, task, schedule or rule uses, and
    that are of no release that runs or ran before. In registries these are retention tags with an
    image's digits (shipit-ENV-0123456789ab) of which the same is true. Shows them, then asks.
    """
    from shipit.cli.present.question import agreed
    from shipit.cli.present.table import table
    from shipit.delivery.leftovers import clear, find

    found = find(session.project, environment, keep)
    rows = [(f.target, one.name, one.why) for f in found for one in f.leftovers]
    if rows and not session.as_json:
        table(["where", "what", "why it was made"], rows)
    if rows and not yes and not agreed(f"take {len(rows)} away?", f"{len(rows)} would be deleted"):
        session.say("nothing was removed")
        return
    gone = list(clear(session.project, environment, found, keep)) if rows else []
    session.show({"removed": gone}, lambda: click.echo(f"removed {len(gone)}"))
