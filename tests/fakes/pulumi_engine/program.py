"""A Pulumi program in Python, run as `language.py` was asked to (a RunRequest on stdin)."""

import asyncio
import runpy
import sys
import traceback

from pulumi import RunError, log
from pulumi.runtime import Settings, configure, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2

from tests.fakes.pulumi_engine.orphan import ends_with_parent

_SHOWN = 32


def run(request: language_pb2.RunRequest, engine: str) -> int:
    """The exit code. What is wrong has been told to the engine then."""
    set_all_config(dict(request.config), list(request.configSecretKeys))
    settings = Settings(
        project=request.project,
        stack=request.stack,
        monitor=request.monitor_address,
        engine=engine,
        parallel=request.parallel,
        dry_run=request.dryRun,
        organization=request.organization,
        root_directory=request.info.root_directory,
    )
    configure(settings)
    folder = request.info.program_directory
    sys.path.insert(0, folder)

    def program() -> None:
        runpy.run_path(folder, run_name="__main__")

    try:
        asyncio.new_event_loop().run_until_complete(run_in_stack(program))
    except RunError as error:
        log.error(str(error))
        return _SHOWN
    except Exception:  # noqa: BLE001 - whatever a program raises is for its author to read
        log.error(traceback.format_exc())
        return _SHOWN
    return 0


if __name__ == "__main__":
    ends_with_parent()
    asked = language_pb2.RunRequest.FromString(sys.stdin.buffer.read())
    sys.stdin = open("/dev/null")  # noqa: PTH123, SIM115
    sys.exit(run(asked, sys.argv[1]))
