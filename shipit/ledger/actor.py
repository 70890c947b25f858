"""Who is doing this, and from where."""

import os
from pathlib import Path

import shipit
from shipit.errors import ShipitError
from shipit.model.events import Actor


def this_actor() -> Actor:
    """SHIPIT_ACTOR, else who the CI system says, else git's user.email, else login@host.

    Holds names and addresses only, never a credential.
    """
    host = os.uname().nodename
    name, run = _ci_actor()
    return Actor(
        name=os.environ.get("SHIPIT_ACTOR") or name or _git_email() or f"{_login()}@{host}",
        host=host,
        pid=os.getpid(),
        process=process_identity(os.getpid()),
        run=run,
        version=shipit.__version__,
    )


def _ci_actor() -> tuple[str, str]:
    """A name and the run's address; empty where there is no CI, or it does not say."""
    env = os.environ.get
    if env("GITHUB_ACTIONS") or env("GITHUB_RUN_ID"):
        server = env("GITHUB_SERVER_URL", "https://github.com")
        run = f"{server}/{env('GITHUB_REPOSITORY', '')}/actions/runs/{env('GITHUB_RUN_ID', '')}"
        return env("GITHUB_ACTOR", ""), run
    job = env("CI_JOB_URL") or env("BUILDKITE_BUILD_URL") or env("CIRCLE_BUILD_URL")
    name = env("GITLAB_USER_LOGIN") or env("BUILDKITE_BUILD_CREATOR_EMAIL")
    other = (
        env("CIRCLE_USERNAME")
        or env("BUILD_USER_ID")
        or ("JENKINS_URL" in os.environ and "jenkins")
    )
    return name or other or "", job or env("BUILD_URL", "")


def _git_email() -> str:
    from shipit import process

    try:
        done = process.run(["git", "config", "user.email"], deadline=5)
    except ShipitError:
        return ""
    return done.stdout.strip() if done.code == 0 else ""


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return f"uid {os.getuid()}"


def process_identity(pid: int) -> str:
    """Boot id, pid namespace and start time: no other process ever has the same.

    Empty where there is no Linux /proc, or no such process in it.
    """
    try:
        machine = _machine()
        return f"{machine}:{_start_time(pid)}"
    except (OSError, IndexError, ValueError):
        return ""


def provably_dead(owner: Actor) -> bool:
    """The owner ran on this machine, in this pid namespace, and is no more.

    False whenever that cannot be told from here.
    """
    if not owner.process or not owner.pid:
        return False
    machine, _, started = owner.process.rpartition(":")
    try:
        if machine != _machine():
            return False
        os.kill(owner.pid, 0)
        return _start_time(owner.pid) != started
    except ProcessLookupError:
        return True
    except (OSError, IndexError, ValueError):
        return False  # hidden from this user (proc(5), hidepid), so nothing is proven


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116  follows a magic link


def _start_time(pid: int) -> str:
    """Field 22 of /proc/<pid>/stat (proc(5)), ticks since the boot. A zombie's is not its own."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return "ended" if fields[0] in {"Z", "X"} else fields[19]
