"""`shipit`: the lazy group of verbs, and the one place where an error becomes words and a code."""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from shipit import __version__
from shipit.cli.verbs import SECTIONS
from shipit.errors import ShipitError

INTERRUPTED = 130


class Verbs(click.Group):
    """Imports a verb's module when that verb is used, and no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [name for verbs in SECTIONS.values() for name in verbs]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"shipit.cli.{name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", error.ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for section, verbs in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl(list(verbs.items()))


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 held by a gate, "
    "4 failed and rolled back, 5 superseded, 6 leased by somebody else, 130 interrupted.",
)
@click.version_option(__version__, prog_name="shipit", message="%(prog)s %(version)s")
@click.option(
    "--file", "file", metavar="PATH", help="shipit.yaml, when it is not in a folder above."
)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def group(ctx: click.Context, file: str | None, *, debug: bool) -> None:
    """Build a container image once and promote the same digest through every environment."""
    ctx.obj = {"file": file or os.environ.get("SHIPIT_FILE"), "debug": debug}


def run(argv: Sequence[str]) -> int:
    """Run one command line. Whatever happens, the answer is an exit code."""
    try:
        code: Any = group.main(args=list(argv), prog_name="shipit", standalone_mode=False)
    except (click.exceptions.Exit, click.ClickException) as error:
        return _usage(error) if isinstance(error, click.ClickException) else error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (`shipit history | head`): nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the last catcher there is
        return _report(error, argv) if isinstance(error, ShipitError) else _bug(error, argv)
    return code if isinstance(code, int) else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


def _usage(error: click.ClickException) -> int:
    """click's own errors: what was wrong with the words."""
    _say(f"error: {error.format_message()}")
    ctx = getattr(error, "ctx", None)
    if ctx is not None:
        _say(f"try `{ctx.command_path} --help`")
    return error.exit_code


def _report(error: ShipitError, argv: Sequence[str]) -> int:
    if "--debug" in argv:
        sys.excepthook(type(error), error, error.__traceback__)
    if "--json" in argv:
        _say_json(error)
    for label, text in (("error", error.what), ("  why", error.why), ("  now", error.next_step)):
        if text:
            indented = text.replace("\n", "\n       ")
            _say(f"{label}: {indented}")
    return error.exit_code


def _say_json(error: ShipitError) -> None:
    """The last line on stdout, for whoever reads it by program."""
    from shipit.model import codec

    said = {
        "event": "error",
        "kind": type(error).__name__.removesuffix("Error"),
        "what": error.what,
        "why": error.why,
        "next": error.next_step,
        "exit_code": error.exit_code,
    }
    sys.stdout.write(codec.encode(said).decode() + "\n")
    sys.stdout.flush()


def _bug(error: Exception, argv: Sequence[str]) -> int:
    if "--debug" in argv:
        sys.excepthook(type(error), error, error.__traceback__)
    else:
        _say(f"error: {type(error).__name__}: {error}")
        _say("  why: this is a fault in shipit itself")
        _say("  now: run it again with --debug and report what it prints")
    return 1
