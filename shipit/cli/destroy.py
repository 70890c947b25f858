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
    from shipit.delivery import stacks
    from shipit.model.stack import Provisioned

    if confirm and confirm != environment:
        raise UsageError(f"{confirm!r} is not {environment!r}: nothing was destroyed")
    opened = stacks.of_environment(session.project, environment)
    drawn.follow(session, opened.begin(leaving=True))
    plan = drawn.follow(session, opened.leave())
    if not session.as_json:
        drawn.plan(plan)
    if not confirm and _asked(environment) != environment:
        session.say("nothing was changed")
        drawn.end(session, Provisioned(plan.project, plan.stack, {}), lambda: None)
        return
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
    question = f"this deletes all of it; write {environment} to go on"
    answer: str = click.prompt(question, default="", show_default=False, err=True)
    return answer
