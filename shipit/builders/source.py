"""Which commit a folder is at, as git tells it. Nothing here writes to the repository."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from shipit import process
from shipit.errors import PreconditionError
from shipit.model.release import Source

_ASKING = 60.0  # seconds; `status` reads every file of a large tree once

# A hook or a rebase that runs shipit has these in its environment, pointing at another
# repository than the folder's own (githooks(5)). An empty GIT_DIR would be an error, so the
# variables are taken away by `env -u`.
_FOREIGN = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
)


def read(root: Path) -> Source:
    """The source of `root`. Empty outside a git repository, before its first commit, without git.

    `dirty` speaks of `root` alone: changed, staged or untracked files below it that .gitignore
    does not name, `.shipit/` apart. Raises PreconditionError when git refuses to read it,
    RemoteError when it does not answer in time.
    """
    if not shutil.which("git"):
        return Source()
    told = _git(root, "log", "-1", "--no-show-signature", "--format=%H%n%ct%n%s")
    if not told:
        return Source()
    commit, committed_at, subject = told.split("\n", 2)
    return Source(
        commit=commit,
        dirty=_dirty(root),
        branch=_branch(root),
        subject=subject.strip(),
        url=_url(root),
        committed_at=datetime.fromtimestamp(int(committed_at), UTC),
    )


def without_credentials(url: str) -> str:
    """A remote's address that can be shown: no user, no password, no query."""
    parts = urlsplit(url)
    if not parts.scheme or not parts.netloc:
        return re.sub(r"^[^@/:]+:[^@/]*@", "", url)
    host = parts.netloc.rpartition("@")[2]
    user = "git@" if parts.scheme == "ssh" and parts.username == "git" else ""
    return urlunsplit((parts.scheme, user + host, parts.path, "", ""))


def _dirty(root: Path) -> bool:
    """Submodules count by their commit: what is changed inside one is not in this repository."""
    asked = ("status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=dirty")
    return bool(_git(root, *asked, "--", ".", ":(exclude,glob)**/.shipit/**"))


def _branch(root: Path) -> str:
    """Empty when HEAD is detached, as it is in most CI checkouts."""
    return _git(root, "symbolic-ref", "--quiet", "--short", "HEAD")


def _url(root: Path) -> str:
    """Of `origin`, else of the only other remote there is."""
    remotes = _git(root, "remote").split()
    if not remotes:
        return ""
    name = "origin" if "origin" in remotes else remotes[0]
    return without_credentials(_git(root, "remote", "get-url", name))


def _git(root: Path, *words: str) -> str:
    """What git said; empty when it refused.

    --no-optional-locks: `status` must not take the index's lock from a git that the user runs.
    """
    forget = [word for name in _FOREIGN for word in ("-u", name)]
    argv = ["env", *forget, "git", "--no-optional-locks", "-C", str(root), *words]
    done = process.run(argv, deadline=_ASKING, env={"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"})
    if done.code and "dubious ownership" in done.stderr:
        raise PreconditionError(
            "git does not read this repository",
            done.last_words(),
            f"git config --global --add safe.directory {root}",
        )
    return done.stdout.strip() if done.code == 0 else ""
