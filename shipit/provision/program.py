"""The `pulumi` program, and the project that it is to run."""

import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from shipit.errors import PreconditionError, RemoteError

if TYPE_CHECKING:
    from pulumi.automation import PulumiCommand

FILE_NAME = "Pulumi.yaml"
_HOW = "install it as https://www.pulumi.com/docs/install says, and run this again"


class Interrupts(msgspec.Struct):
    """The programs that run now. At a SIGINT, Pulumi ends what it is doing and records it."""

    running: set[Any] = msgspec.field(default_factory=set)
    lock: Any = msgspec.field(default_factory=threading.Lock)

    def interrupt(self) -> None:
        import signal

        with self.lock:
            for process in self.running:
                process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        with self.lock:
            for process in self.running:
                process.kill()


def project(root: Path, folder: str) -> Path:
    """The folder of a Pulumi project beside shipit.yaml. Raises PreconditionError without one."""
    found = root / folder
    if not (found / FILE_NAME).is_file():
        raise PreconditionError(
            f"there is no Pulumi project in {folder}/",
            f"{found / FILE_NAME} is missing; what it provisions is described there",
            "`shipit init --stacks` writes the reference projects stacks/ and infra/",
        )
    return found


def name_of(folder: Path) -> str:
    """The project's name, which its stacks and their state go by."""
    from yaml import YAMLError, safe_load

    try:
        said = safe_load((folder / FILE_NAME).read_text("utf-8"))
    except (OSError, YAMLError) as error:
        raise PreconditionError(f"{folder / FILE_NAME} cannot be read", str(error)) from error
    name = said.get("name") if isinstance(said, dict) else None
    if not isinstance(name, str):
        raise PreconditionError(f"{folder / FILE_NAME}: name: there is none")
    return name


def find(interrupts: Interrupts) -> "PulumiCommand":
    """Raises PreconditionError when the program or the SDK is missing, or they do not fit."""
    if shutil.which("pulumi") is None:
        raise PreconditionError("there is no pulumi program on this machine", next_step=_HOW)
    try:
        from pulumi.automation import CommandResult, InvalidVersionError, PulumiCommand
        from pulumi.automation.errors import create_command_error
    except ImportError as error:
        raise PreconditionError(
            "Pulumi's Python SDK is not installed",
            str(error),
            "install shipit with its extra: `pipx install '.[pulumi]'` in a checkout of it",
        ) from error

    class Command(PulumiCommand):
        """The SDK's own, whose programs can be interrupted: it knows of none but Ctrl-C."""

        def run(
            self,
            args: list[str],
            cwd: str,
            additional_env: Mapping[str, str],
            on_output: Callable[[str], Any] | None = None,
            on_error: Callable[[str], Any] | None = None,
        ) -> CommandResult:
            argv = [self.command, "--non-interactive", *args]
            out, err, code = _run(argv, cwd, additional_env, on_output, on_error, interrupts)
            result = CommandResult(stdout=out, stderr=err, code=code)
            if code:
                raise create_command_error(result)
            return result

    try:
        return Command()
    except InvalidVersionError as error:
        raise PreconditionError(
            "this pulumi program is too old for the SDK", str(error), _HOW
        ) from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise RemoteError("`pulumi version` does not run", str(error), _HOW) from error


def _run(
    argv: list[str],
    cwd: str,
    environment: Mapping[str, str],
    on_output: Callable[[str], Any] | None,
    on_error: Callable[[str], Any] | None,
    interrupts: Interrupts,
) -> tuple[str, str, int]:
    """In a session of its own: a terminal's Ctrl-C reaches it through us alone, and once."""
    import os

    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, **environment, "PULUMI_AUTOMATION_API": "true"},
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        with interrupts.lock:
            interrupts.running.add(process)
        said: tuple[list[str], list[str]] = ([], [])
        readers = [
            threading.Thread(target=_read, args=(stream, lines, told), daemon=True)
            for stream, lines, told in zip(
                (process.stdout, process.stderr), said, (on_output, on_error), strict=True
            )
        ]
        for reader in readers:
            reader.start()
        try:
            code = process.wait()
            for reader in readers:
                reader.join()
        finally:
            with interrupts.lock:
                interrupts.running.discard(process)
    return "\n".join(said[0]), "\n".join(said[1]), code


def _read(stream: Any, lines: list[str], told: Callable[[str], Any] | None) -> None:
    for line in stream:
        lines.append(line.rstrip())
        if told:
            told(line.rstrip())
