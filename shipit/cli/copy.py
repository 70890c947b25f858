"""`shipit copy`: an image from one registry to another, by digest, with all that vouches for it."""

import click

from shipit.cli.session import Session, verb
from shipit.errors import UsageError
from shipit.model.image import Reference


@verb("copy")
@click.argument("source")
@click.argument("destination")
@click.option(
    "--move", is_flag=True, help="Move the destination's tags where they name another digest."
)
@click.option(
    "--whole",
    is_flag=True,
    help="Ask for every blob and signature of what is there already, and mend it.",
)
def command(session: Session, source: str, destination: str, *, move: bool, whole: bool) -> None:
    """Copy an image, with all that vouches for it, to another registry.

    SOURCE is a tag or a digest, DESTINATION a repository, or a repository and a tag. Every
    platform comes along, with the signatures, SBOMs and attestations of the index and of each
    platform. The digest stays the same; it is printed. A tag is written last, and only when it is
    new or names this digest already.
    """
    from shipit.delivery.copying import copy_image
    from shipit.registry.client import Client

    with Client() as client:
        done = session.follow(
            copy_image(client, _parse(source), _parse(destination), move=move, whole=whole)
        )
    if not session.as_json:
        click.echo(done.image)


def _parse(text: str) -> Reference:
    try:
        return Reference.parse(text)
    except ValueError as error:
        raise UsageError(str(error), "", "write it as in ghcr.io/acme/shop/web:v1") from None
