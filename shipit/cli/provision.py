"""`shipit provision`: bring an environment's stack up, preview first."""

from typing import TYPE_CHECKING

import click

from shipit.cli.session import Session, env_option, verb
from shipit.errors import UsageError

if TYPE_CHECKING:
    from shipit.delivery.project import Project
    from shipit.delivery.provisioning import Provisioning


@verb("provision")
@env_option(required=False)
@click.option("--infra", is_flag=True, help="The account's foundations, instead of an environment.")
@click.option("--preview", is_flag=True, help="Only show what would change.")
@click.option("--refresh", is_flag=True, help="First read every resource again from the cloud.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def command(
    session: Session, environment: str, *, infra: bool, preview: bool, refresh: bool, yes: bool
) -> None:
    """Make or change what an environment's target stands on, with its Pulumi stack.

    Shows what would change, then asks. The stack's outputs are kept in the ledger, where targets
    with `stack:` read them: deploying needs no Pulumi.
    """
    from shipit.cli.present import stack as drawn
    from shipit.cli.present.question import agreed
    from shipit.model.stack import Provisioned

    if bool(environment) == infra:
        raise UsageError("which stack?", next_step="name one: --env ENV, or --infra")
    opened = _opened(session.project, environment)
    drawn.follow(session, opened.begin(refresh=refresh))
    plan = drawn.follow(session, opened.preview(refresh=refresh))
    if preview:
        drawn.end(session, plan, lambda: drawn.plan(plan))
        return
    if not session.as_json:
        drawn.plan(plan)
    if plan.changes and not yes and not agreed("apply these changes?", "they would be applied"):
        session.say("nothing was changed")
        drawn.end(session, Provisioned(plan.project, plan.stack, {}), lambda: None)
        return
    done = drawn.follow(session, opened.up(refresh=refresh))
    drawn.end(session, done, lambda: drawn.done(done) if plan.changes else None)


def _opened(project: "Project", environment: str) -> "Provisioning":
    from shipit.delivery import stacks

    return (
        stacks.of_environment(project, environment) if environment else stacks.of_account(project)
    )
