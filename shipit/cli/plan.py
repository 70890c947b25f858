"""`shipit plan`: what a deployment would change, and the gates' answers."""

from pathlib import Path

import click

from shipit.cli.session import Session, env_option, verb


@verb("plan")
@env_option()
@click.option(
    "--release", "-r", default="", metavar="R", help="Default: what runs upstream, or the newest."
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Save it for `deploy --plan`."
)
def command(session: Session, environment: str, release: str, output: Path | None) -> None:
    """Show what a deployment would change. Changes nothing."""
    from shipit.cli.planfile import write_plan
    from shipit.delivery.planning import Planned, plan
    from shipit.delivery.request import Request

    planned = plan(session.project, Request(environment, release=release))
    if output:
        write_plan(planned.saved, output)

    def draw(shown: Planned = planned) -> None:
        from shipit.cli.present.plan import draw_plans, with_tasks

        first, *others = shown.saved.plans.values()
        draw_plans([with_tasks(first, shown.before, shown.after), *others])
        for warning in shown.warnings:
            session.say(f"warning: {warning}")
        from shipit.cli.verdicts import draw_held

        draw_held(session, shown.verdicts)
        if output:
            session.say(f"saved: apply it with `shipit deploy --plan {output}`")

    session.show(planned, draw)
