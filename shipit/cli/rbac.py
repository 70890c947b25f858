"""`shipit rbac`: the least Role of an environment's deployments in its cluster."""

import sys

import click

from shipit.cli.session import Session, env_option, target_option, verb
from shipit.errors import UsageError

_SUBJECTS = {"user": "User", "group": "Group", "service_account": "ServiceAccount"}


@verb("rbac")
@env_option()
@target_option
@click.option("--user", default="", metavar="NAME", help="Bind it to a user: an e-mail on GKE.")
@click.option("--group", default="", metavar="NAME", help="Bind it to a group: an access entry's.")
@click.option(
    "--service-account", default="", metavar="[NAMESPACE/]NAME", help="Bind it to an account."
)
def command(session: Session, environment: str, target: str, **subjects: str) -> None:
    """Print the least Role that an environment's deployments need in its cluster.

    For the newest release, for what comes next, and for all that one may go back to. YAML on
    stdout, made from what shipit asks of the API server, for `kubectl apply -f -`.
    """
    from shipit.delivery.rbac import least
    from shipit.model import codec

    named = [(_SUBJECTS[key], name) for key, name in subjects.items() if name]
    if len(named) > 1:
        raise UsageError("a role is bound to one at a time", next_step="run it once for each")
    objects, notes = least(
        session.project, environment, target=target, subject=named[0] if named else None
    )
    for note in notes:
        session.say(note)
    if session.as_json:
        sys.stdout.write(codec.pretty(objects).decode() + "\n")
        return
    import yaml

    sys.stdout.write(yaml.safe_dump_all(objects, sort_keys=False, explicit_start=True))
