"""What deploy, promote and rollback share: the work is followed, and its end is shown."""

from collections.abc import Callable, Generator, Sequence

from shipit.cli.session import R, Session, Step
from shipit.delivery.deploy import Delivery, deploy
from shipit.delivery.request import Request, Result
from shipit.errors import ShipitError


def enter(session: Session, request: Request) -> None:
    show(session, deploy(session.project, request))


def show(session: Session, work: Delivery) -> None:
    carry_out(session, work, lambda result: [result])


def carry_out(
    session: Session, work: Generator[Step, None, R], ended: Callable[[R], Sequence[Result]]
) -> R:
    """Followed to its end, with closing words for each deployment that `ended` finds in what came
    of it. Under GitHub Actions the matrix is the job's summary, whether it ended well or not."""
    try:
        done = session.follow(work)
    except ShipitError:
        _summarize(session)
        raise
    results = ended(done)
    if not session.as_json:
        from shipit.cli.present.deployment import draw_result

        for result in results:
            draw_result(result)
    if results:
        _summarize(session)
    return done


def _summarize(session: Session) -> None:
    """A summary that cannot be made changes nothing in how the work ended."""
    import os
    from datetime import UTC, datetime

    if not os.environ.get("GITHUB_STEP_SUMMARY"):
        return
    from shipit.cli.present.github import append_summary
    from shipit.cli.present.matrix import build_matrix

    try:
        project = session.project
        append_summary(build_matrix(project.pipeline, project.ledger.read(), datetime.now(UTC)))
    except (ShipitError, OSError) as error:
        session.say(f"no matrix in the job's summary: {error}")
