"""What every verb shares: the project, `--json`, and the way results reach the user."""

import functools
import sys
from collections.abc import Callable, Generator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from shipit.model import codec
from shipit.model.progress import Failed, Progress, RolledBack, Succeeded, Superseded

if TYPE_CHECKING:
    from shipit.delivery.project import Project

R = TypeVar("R")
Step = Progress | Succeeded | Failed | RolledBack | Superseded


class Session:
    """One run of one verb."""

    def __init__(self, file: str | None, *, as_json: bool) -> None:
        self.file = file
        self.as_json = as_json

    @cached_property
    def project(self) -> "Project":
        from shipit.delivery.project import Project

        return Project.open(Path(self.file) if self.file else None)

    def show(self, value: Any, draw: Callable[[], None]) -> None:
        """`value` as a JSON document on stdout, or drawn for people."""
        if self.as_json:
            sys.stdout.write(codec.pretty(value).decode() + "\n")
        else:
            draw()

    def follow(self, work: Generator[Step, None, R]) -> R:
        """Run a runbook to its end, its progress shown as it comes; its result is returned, and
        with `--json` is the last line."""
        from shipit.cli.present.progress import listener

        with listener(as_json=self.as_json) as listen:
            while True:
                try:
                    listen(next(work))
                except StopIteration as end:
                    result: R = end.value
                    break
        if self.as_json:
            sys.stdout.write(codec.encode(result).decode() + "\n")
        return result

    def say(self, text: str) -> None:
        """A line for people, on stderr, where stdout is data."""
        click.echo(text, err=True)


def verb(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """A command whose function gets the Session first; `--json` comes with it."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @click.pass_context
        @functools.wraps(function)
        def callback(
            ctx: click.Context, /, *args: Any, as_json: bool, debug: bool, **words: Any
        ) -> Any:
            said = ctx.ensure_object(dict)
            said.update(verb=name, json=as_json, debug=debug or said.get("debug", False))
            _refuse_empty(ctx)
            return function(Session(said.get("file"), as_json=as_json), *args, **words)

        debug: Any = click.option("--debug", is_flag=True, hidden=True)
        json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
        made: click.Command = click.command(name, **attributes)(json(debug(callback)))  # type: ignore[no-untyped-call]
        return made

    return decorate


def _refuse_empty(ctx: click.Context) -> None:
    """An empty name is a variable that nobody set, and never what was meant: `pipeline --to ""`
    would go all the way, and `promote --release ""` take what runs upstream."""
    for option in ctx.command.params:
        given = ctx.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if given and option.metavar and ctx.params.get(option.name or "") == "":
            raise click.BadParameter("it is empty; is a variable not set?", ctx, option)


def env_option(*, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    # A default of None would count as given, and click would not ask for it.
    left_out: dict[str, Any] = {} if required else {"default": ""}
    return click.option(
        "--env",
        "-e",
        "environment",
        metavar="ENV",
        required=required,
        help="The environment.",
        **left_out,
    )


def target_option(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--target", default="", metavar="NAME", help="Which target, when there are several."
    )(function)
