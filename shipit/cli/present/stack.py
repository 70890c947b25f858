"""A stack's preview, its progress and its end, for people."""

import sys
from collections.abc import Callable, Generator
from typing import TypeVar

import click

from shipit.cli.session import Session
from shipit.model import codec
from shipit.model.progress import Progress
from shipit.model.stack import Provisioned, StackPlan

R = TypeVar("R")
_SIGNS = {"create": "+", "delete": "-", "update": "~", "replace": "+-", "read": ">", "import": "="}


def follow(session: Session, work: Generator[Progress, None, R]) -> R:
    """Run it to its end, its progress shown as it comes; the caller shows the result."""
    from shipit.cli.present.progress import listener
    from shipit.delivery.work import stop_signals

    with stop_signals(), listener(as_json=session.as_json) as listen:
        while True:
            try:
                listen(next(work))
            except StopIteration as end:
                result: R = end.value
                return result


def end(session: Session, value: StackPlan | Provisioned, draw: Callable[[], None]) -> None:
    """The result: with --json the last line, after those of the progress."""
    if session.as_json:
        sys.stdout.write(codec.encode(value).decode() + "\n")
    else:
        draw()


def plan(made: StackPlan) -> None:
    if not made.changes:
        click.echo(f"stack {made.stack}: nothing to change, {made.same} stay as they are")
        return
    click.echo(f"stack {made.stack} of {made.project}:")
    width = max(len(c.type) for c in made.changes)
    for change in made.changes:
        keys = f"  [{', '.join(change.keys)}]" if change.keys else ""
        kept = "  (protected)" if change.protected else ""
        sign = _SIGNS.get(change.action, "?")
        click.echo(f"  {sign:>2} {change.type:<{width}}  {change.name}{keys}{kept}")
    counts = [f"{made.count(a)} to {a}" for a in _SIGNS if made.count(a)]
    click.echo(f"  {', '.join(counts)}, {made.same} stay as they are")


def done(ended: Provisioned) -> None:
    counts = ", ".join(f"{action} {number}" for action, number in ended.changes.items())
    click.echo(f"stack {ended.stack}: {counts or 'nothing changed'}")
    for name, value in sorted(ended.outputs.items()):
        said = value if isinstance(value, str) else codec.encode(value).decode()
        click.echo(f"  {name}: {said}")
