"""`shipit destroy`: take an environment's stack down."""

import sys

import click

from shipit.cli.session import Session, env_option, verb
from shipit.errors import UsageError


@verb("destroy")
@env_option()
@click.option("--confirm", default="", metavar="ENV", help="The environment's name, once more.")
def command(session: Session, environment: str, confirm: str) -> None:
    """Delete everything that an environment's Pulumi stack made.

    Asks for the environment's name. What is protected is refused.
    """
    from shipit.cli.present import stack as drawn
    from shipit.delivery import provisioning

    opened = provisioning.of_environment(session.project, environment)
    drawn.follow(session, opened.begin(refresh=False))
    plan = drawn.follow(session, opened.leave())
    if not session.as_json:
        drawn.plan(plan)
    named = confirm or _asked(environment)
    if named != environment:
        raise UsageError(f"{named!r} is not {environment!r}: nothing was destroyed")
    done = drawn.follow(session, opened.destroy())
    drawn.end(session, done, lambda: drawn.done(done))


def _asked(environment: str) -> str:
    """Raises UsageError where nobody can answer."""
    if not sys.stdin.isatty():
        raise UsageError(
            f"everything of {environment}'s stack would be deleted, and nobody can be asked",
            "standard input is not a terminal",
            f"run it again with --confirm {environment}",
        )
    answer: str = click.prompt(f"this deletes all of it; write {environment} to go on", err=True)
    return answer
