"""`shipit resume`: an interrupted deployment is taken up again."""

from shipit.cli.session import Session, env_option, verb


@verb("resume")
@env_option(required=False)
def command(session: Session, environment: str) -> None:
    """Take an interrupted deployment up again, in one environment or wherever there is one.

    While its owner may be alive, this waits for a sign of life for one lease's time (30 s).
    """
    from shipit.cli.entering import summarize
    from shipit.delivery.resume import resume

    results = session.follow(resume(session.project, environment))
    summarize(session, list(results))
    if not results:
        session.say("nothing was interrupted")
