"""What approve and reject share."""

import click

from shipit.cli.session import Session, env_option, verb


def deciding(word: str, about: str) -> click.Command:
    """The verb `word`."""

    @verb(word, help=about)
    @click.argument("release", metavar="R")
    @env_option()
    @click.option("--comment", default="", help="Why; kept with the decision.")
    def command(session: Session, release: str, environment: str, comment: str) -> None:
        from shipit.delivery import people

        act = people.approve if word == "approve" else people.reject
        found = act(session.project, release, environment, comment)
        said = {"decision": word, "release": found, "environment": environment}
        past = {"approve": "approved", "reject": "rejected"}[word]
        session.show(said, lambda: click.echo(f"{found.id} is {past} for {environment}"))

    return command
