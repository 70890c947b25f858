"""`shipit build`: the images once, by digest, into a release."""

import click

from shipit.cli.session import Session, verb


@verb("build")
@click.option("--force", is_flag=True, help="Build although the commit has a release.")
def command(session: Session, *, force: bool) -> None:
    """Build the images once, push them, record the release.

    A commit that has a release already is not built again.
    """
    from shipit.delivery.build import build

    built = session.follow(build(session.project, force=force))
    if session.as_json:
        return
    release = built.release
    click.echo(release.id)
    for service, digest in sorted(release.images.items()):
        session.say(f"  {service}  {digest.short}")
    if release.source.dirty:
        session.say("dirty: it holds changes that are not committed, so no commit names it")
    first = session.project.pipeline.first.name
    session.say(f"next: `shipit deploy --env {first}`")
