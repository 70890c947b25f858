"""`shipit schema`: the JSON Schema of shipit.yaml, for editors and other checkers."""

import sys

from shipit.cli.session import Session, verb


@verb("schema")
def command(session: Session) -> None:  # noqa: ARG001 - it is JSON either way
    """Print the JSON Schema of shipit.yaml.

    Editors with yaml-language-server use it once the file's first line is
    `# yaml-language-server: $schema=.shipit/schema.json` and the schema is kept there.
    """
    from shipit.config.schema import text

    sys.stdout.write(text())
