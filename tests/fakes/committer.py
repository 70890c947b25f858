"""A process that commits to a ledger: `python committer.py URL NAME EVENTS BATCH`.

Each event is a word of NAME about its own environment, numbered from 0. `ready` is written when the
ledger is open, and the first commit waits for a line on standard input, so that many start at once.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from shipit.ledger import Ledger
from shipit.model.events import Actor, Event, HoldSet
from shipit.model.state import State


def main(url: str, name: str, events: int, batch: int) -> None:
    ledger = Ledger.open(url, root=Path("/"))
    ledger.read()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    author = Actor(name)
    for first in range(0, events, batch):
        said = tuple(
            HoldSet(environment=name, reason=str(number))
            for number in range(first, min(first + batch, events))
        )

        def decide(_: State, said: Sequence[Event] = said) -> Sequence[Event]:
            return said

        ledger.commit(decide, by=author)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
