"""`shipit registry`: the repositories that the pipeline's images are pushed and copied to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from shipit.cli.session import Session, verb

if TYPE_CHECKING:
    from shipit.registry.repositories.plan import Change


@click.group("registry")
def command() -> None:
    """List or make the repositories that images are pushed to.

    Nothing else in shipit makes one: `check` says which are missing.
    """


@verb("list", short_help="List the repositories that the pipeline needs.")
def listing(session: Session) -> None:
    """List the repositories that the pipeline needs: which are there, which are missing."""
    from shipit.delivery import repositories

    planned = repositories.plan(session.project)
    session.show(planned.changes, lambda: _draw(planned.changes))


@verb("create", short_help="Make those that are missing.")
@click.option(
    "--kms-key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Encrypt with this key, of AWS or Google, and not with the cloud's own. For several "
    "regions it is given several times.",
)
@click.option(
    "--expire-untagged",
    type=click.IntRange(min=0),
    default=0,
    metavar="DAYS",
    help="Let the registry delete untagged images after so many days. Referrers (signatures, "
    "SBOMs) and images that were promoted long ago have no tag. Left out: never.",
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def create(session: Session, *, keys: Sequence[str], expire_untagged: int, yes: bool) -> None:
    """Make the repositories that the pipeline needs and that are missing.

    Shows what it would make, then asks. What is there already is left as it is.
    """
    from shipit.delivery import repositories

    planned = repositories.plan(session.project, keys=keys, expire_untagged=expire_untagged)
    if not session.as_json:
        _draw(planned.changes)
    if planned.pending and not yes and not _agreed(len(planned.pending)):
        session.say("nothing was made")
        return
    made = []
    for change in repositories.create(planned):
        made.append(change.repository)
        session.say(f"made {change.repository}")
    said = {"changes": planned.changes, "made": made}
    session.show(said, lambda: None if made else click.echo("nothing to make"))


def _agreed(count: int) -> bool:
    from shipit.cli.present.question import agreed

    what, it = ("a repository", "it") if count == 1 else (f"{count} repositories", "them")
    return agreed(f"make {it}?", f"{what} would be made")


def _draw(changes: "Sequence[Change]") -> None:
    from shipit.cli.present.table import table

    words = {"create": "missing", "complete": "unfinished", "keep": "there"}
    rows = [(c.repository, words.get(c.action, c.action), c.note) for c in changes]
    if not rows:
        click.echo("the embedded registry needs no repositories")
    table(["repository", "", "note"], rows)
    for change in changes:
        if change.changes:
            click.echo(f"\nwould make {change.repository}")
            for setting in change.settings:
                click.echo(f"  {setting}")


command.add_command(listing)
command.add_command(create)
