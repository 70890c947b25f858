"""`shipit`: the lazy group of verbs, and the one place where an error becomes words and a code."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from shipit import __version__
from shipit.cli import ending
from shipit.cli.verbs import SECTIONS


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
            import difflib

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
    ctx.ensure_object(dict).update(file=file or os.environ.get("SHIPIT_FILE"), debug=debug)


def run(argv: Sequence[str]) -> int:
    """Run one command line. Whatever happens, the answer is an exit code.

    `said` is filled in by the command: a `--json` that belongs to what `exec` runs is not ours.
    """
    ending.open_streams()
    said: dict[str, Any] = {}
    stdout = sys.stdout
    try:
        code: Any = group.main(args=list(argv), prog_name="shipit", standalone_mode=False, obj=said)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except SystemExit as end:
        # click leaves so when it has printed a completion; and, with its own stdout in place of
        # ours, for a broken pipe.
        return int(end.code or 0) if sys.stdout is stdout else ending.unread()
    except BrokenPipeError:
        return ending.unread()
    except click.ClickException as error:
        return ending.misused(error, as_json="--json" in argv)
    except BaseException as error:  # noqa: BLE001 - the last catcher there is
        return ending.report(error, said)
    return code if isinstance(code, int) else 0
