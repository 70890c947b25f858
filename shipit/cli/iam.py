"""`shipit iam`: the least IAM policy of an environment's deployments."""

import sys

import click

from shipit.cli.session import Session, env_option, verb


@verb("iam")
@env_option()
@click.option("--account", default="", metavar="ID", help="The AWS account. Left out: asked for.")
@click.option("--gc", is_flag=True, help="And what `shipit gc` needs.")
@click.option("--key", default="", metavar="ARN", help="The KMS key of the ledger's bucket.")
def command(session: Session, environment: str, account: str, key: str, *, gc: bool) -> None:
    """Print the least IAM policy that an environment's deployments need.

    A JSON document on stdout, made from what shipit calls: for the role of a workflow, or to
    compare with what a role has.
    """
    from shipit.delivery.iam import least
    from shipit.model import codec

    document, unknown = least(session.project, environment, account, clearing=gc, key=key)
    if unknown:
        session.say(unknown)
    sys.stdout.write(codec.pretty(document).decode() + "\n")
