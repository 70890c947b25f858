"""`shipit resume`: an interrupted deployment is taken up again."""

from collections.abc import Generator

import msgspec

from shipit.cli.session import Session, Step, env_option, verb
from shipit.delivery.request import Result


class Resumed(msgspec.Struct, frozen=True, tag="result", tag_field="event"):
    """The last line of `--json`: a result for each deployment that was taken up."""

    deployments: tuple[Result, ...]


@verb("resume")
@env_option(required=False)
def command(session: Session, environment: str) -> None:
    """Take an interrupted deployment up again, in one environment or wherever there is one.

    While its owner may be alive, this waits for a sign of life for one lease's time (30 s).
    """
    from shipit.cli.entering import carry_out
    from shipit.delivery.resume import resume

    work = _resumed(resume(session.project, environment))
    resumed = carry_out(session, work, lambda done: done.deployments)
    if not resumed.deployments:
        session.say("nothing was interrupted")


def _resumed(work: Generator[Step, None, tuple[Result, ...]]) -> Generator[Step, None, Resumed]:
    return Resumed((yield from work))
