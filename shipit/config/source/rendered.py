"""What a program made of somebody's files: its words when it refuses, its objects when not."""

from collections.abc import Sequence
from pathlib import Path

from shipit import process
from shipit.config.source.manifests import objects, refuse_twice
from shipit.config.source.written import Written
from shipit.errors import ConfigurationError

_DEADLINE = 120.0  # seconds; bases from afar are fetched in it


def run(root: Path, argv: Sequence[str], shown: str, at: str) -> tuple[Written, ...]:
    """The objects that the program writes. `shown` is the command as a person would type it."""
    done = process.run(argv, deadline=_DEADLINE, cwd=root)
    if done.code != 0:
        raise ConfigurationError(
            f"`{shown}` fails",
            file="shipit.yaml",
            path=at,
            why=done.last_words(8).replace(f"{root}/", ""),
        )
    found = tuple(Written(one.body, f"`{shown}`") for one in objects(done.stdout, f"`{shown}`"))
    if not found:
        raise ConfigurationError(f"`{shown}` writes no object", file="shipit.yaml", path=at)
    refuse_twice(found)
    return found
