"""Plans as people read them: what changes where, and why."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from msgspec.structs import replace

from shipit.cli.present.ink import Ink, clean, pad
from shipit.model.deployment import Action, Change, Plan

_MARKS = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.REMOVE: ("-", "red"),
    Action.RUN: ("▸", "cyan"),
    Action.KEEP: ("=", "dim"),
}
_DIFF_STYLES = {"+": "green", "-": "red"}


def draw_plans(
    plans: Sequence[Plan],
    *,
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    stream = stream or sys.stdout
    ink = Ink.of(stream, os.environ if environ is None else environ)
    stream.write("\n".join(plan_lines(plans, ink)) + "\n")


def plan_lines(plans: Sequence[Plan], ink: Ink) -> list[str]:
    """A block for each environment and target, and a closing line that counts."""
    lines = [line for plan in plans for line in (*_block(plan, ink), "")]
    return [*lines, _count([change for plan in plans for change in plan.changes])]


def with_tasks(plan: Plan, before: Sequence[str], after: Sequence[str]) -> Plan:
    """The plan with the one-off tasks in their places among its changes."""
    first = [Change(name, Action.RUN, "once, before") for name in before]
    last = [Change(name, Action.RUN, "once, after") for name in after]
    return replace(plan, changes=(*first, *plan.changes, *last))


def _block(plan: Plan, ink: Ink) -> Iterator[str]:
    desired = plan.desired
    target = f" on {plan.target}" if plan.target != "default" else ""
    yield ink.paint(f"{desired.environment}{target}: release {desired.release_id}", "bold")
    columns = max((len(change.service) for change in plan.changes), default=0)
    for change in plan.changes:
        yield from _change(change, columns, ink)
    if not plan.changes:
        yield "  = nothing to do"
    for note in plan.notes:
        yield f"  note: {ink.say(clean(note))}"


def _change(change: Change, columns: int, ink: Ink) -> Iterator[str]:
    mark, style = _MARKS[change.action]
    mark = mark if ink.unicode else mark.replace("▸", ">")
    name = pad(change.service, columns)
    words = f"{change.action:<6}  {ink.say(clean(change.why))}".rstrip()
    yield f"  {ink.paint(f'{mark} {name}', style)}  {words}"
    for line in change.diff:
        yield f"      {ink.paint(ink.say(clean(line)), *_style(line))}"


def _style(line: str) -> tuple[str, ...]:
    return (_DIFF_STYLES[line[0]],) if line[:1] in _DIFF_STYLES else ()


def _count(changes: Sequence[Change]) -> str:
    counts = {a: sum(change.action is a for change in changes) for a in Action}
    return (
        f"{counts[Action.CREATE]} to create, {counts[Action.UPDATE]} to update, "
        f"{counts[Action.REMOVE]} to remove, {counts[Action.RUN]} to run, "
        f"{counts[Action.KEEP]} unchanged"
    )
