"""`shipit deploy`: a release into an environment, through its gates."""

from pathlib import Path

import click

from shipit.cli.session import Session, env_option, verb
from shipit.errors import UsageError


@verb("deploy")
@env_option(required=False)
@click.option(
    "--release", "-r", default="", metavar="R", help="Default: what runs upstream, or the newest."
)
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    help="Apply exactly this plan, or nothing.",
)
@click.option("--override", default="", metavar="REASON", help="Go past a gate; put on record.")
def command(
    session: Session, environment: str, release: str, plan_file: Path | None, override: str
) -> None:
    """Put a release into an environment, through its gates.

    Succeeds when the running containers report the digests that were asked for, and not before.
    """
    from shipit.cli.entering import enter
    from shipit.cli.planfile import read_plan
    from shipit.delivery.request import Request

    saved = read_plan(plan_file, session.project.pipeline.app) if plan_file else None
    if saved:
        environment = environment or saved.environment
        if environment != saved.environment:
            raise UsageError(f"{plan_file} is a plan for {saved.environment}, not {environment}")
        if release:
            raise UsageError("--release and --plan exclude each other: a plan names its release")
    if not environment:
        raise UsageError("which environment?", next_step="name it with --env")
    request = Request(environment, release=release, override=override, plan=saved)
    enter(session, request)
