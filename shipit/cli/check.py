"""`shipit check`: what would stop a deployment, before it does."""

from shipit.cli.session import Session, env_option, verb
from shipit.errors import UsageError


@verb("check")
@env_option(required=False)
def command(session: Session, environment: str) -> None:
    """Say what would stop a deployment, before it does.

    Looks at the files, the tools, the ledger, the registry and every target, and changes nothing.
    """
    from shipit.cli.present.findings import draw_findings
    from shipit.delivery.check import check

    found = list(check(session.project, environment))
    session.show(found, lambda: draw_findings(found))
    errors = [f for f in found if f.level == "error"]
    if errors:
        first = errors[0]
        subject = "" if first.what.startswith(first.subject) else f"{first.subject}: "
        raise UsageError(f"{subject}{first.what}", next_step=first.next_step)
