"""`shipit verify`: prove digests, images and health again."""

import click

from shipit.cli.session import Session, env_option, verb
from shipit.errors import ShipitError


@verb("verify")
@env_option()
def command(session: Session, environment: str) -> None:
    """Prove again what runs in an environment: digests, health, images, checks.

    The result goes on record: `status` shows it, and what is not healthy goes no further.
    """
    from shipit.delivery.verify import Verified, verify

    found = verify(session.project, environment)

    def draw(shown: Verified = found) -> None:
        from shipit.cli.present.table import table

        rows = [
            (p.subject, "failed" if p.trouble else "ok", p.trouble or p.what) for p in shown.proofs
        ]
        table(["what", "result", "detail"], rows)
        if shown.healthy:
            click.echo(f"{shown.environment} runs {shown.release_id}, proven again")

    session.show(found, draw)
    if not found.healthy:
        first = next(p for p in found.proofs if p.trouble)
        raise ShipitError(
            f"{environment} is not as {found.release_id} should be",
            f"{first.subject}: {first.trouble}",
            first.next_step
            or f"`shipit deploy --env {environment} --release {found.release_id}` brings it back",
        )
