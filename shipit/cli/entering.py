"""What deploy, promote and rollback share: the work is followed, and its end is shown."""

from shipit.cli.session import Session
from shipit.delivery.deploy import Delivery, deploy
from shipit.delivery.request import Request, Result


def enter(session: Session, request: Request) -> None:
    show(session, deploy(session.project, request))


def show(session: Session, work: Delivery) -> None:
    result = session.follow(work)
    summarize(session, [result])


def summarize(session: Session, results: list[Result]) -> None:
    """The closing words, and under GitHub Actions the matrix as the job's summary."""
    import os
    from datetime import UTC, datetime

    if not session.as_json:
        from shipit.cli.present.deployment import draw_result

        for result in results:
            draw_result(result)
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        from shipit.cli.present.github import append_summary
        from shipit.cli.present.matrix import build_matrix

        project = session.project
        append_summary(build_matrix(project.pipeline, project.ledger.read(), datetime.now(UTC)))
