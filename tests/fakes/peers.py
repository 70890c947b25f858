"""The field's own tools for registries, from PATH or where `scripts/peers` puts them."""

import os
import shutil
import subprocess
from pathlib import Path

NAMES = ("crane", "oras", "cosign", "skopeo")
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shipit" / "peers"


def find(name: str) -> str:
    """The program's path; "" where it is not installed."""
    return shutil.which(name) or shutil.which(name, path=str(_CACHE)) or ""


def run(name: str, *words: str, cwd: Path | None = None) -> str:
    """What it prints. It has to end well."""
    environ = {**os.environ, "COSIGN_PASSWORD": "", "COSIGN_YES": "true"}
    argv = [find(name), *words]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=120, check=False, cwd=cwd, env=environ
    )
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout
