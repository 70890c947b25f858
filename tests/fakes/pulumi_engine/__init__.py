"""The real Pulumi engine, and what it needs beside itself: a host for Python programs, and a cloud.

The engine finds both as programs on its path. They speak its real protocol (gRPC) over loopback.
"""

import os
import shutil
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[3]
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shipit" / "pulumi"
_PLUGINS = {
    "pulumi-language-python": "tests.fakes.pulumi_engine.language",
    "pulumi-resource-aws": "tests.fakes.pulumi_engine.provider aws 7.51.1",
    "pulumi-resource-gcp": "tests.fakes.pulumi_engine.provider gcp 10.2.0",
}


def missing() -> str:
    """Why the engine cannot be used, "" when it can."""
    if _engine():
        return ""
    return "no Pulumi engine: `scripts/ground --tests` builds it where Go is there"


def environment(folder: Path) -> dict[str, str]:
    """The variables with which a process finds the engine, our plugins, and a cloud in `folder`."""
    programs = folder / "programs"
    programs.mkdir(parents=True, exist_ok=True)
    for name, module in _PLUGINS.items():
        script = programs / name
        script.write_text(f'#!/bin/sh\nPYTHONPATH={_ROOT} exec {sys.executable} -m {module} "$@"\n')
        script.chmod(0o755)
    (programs / "pulumi").unlink(missing_ok=True)
    (programs / "pulumi").symlink_to(_engine())
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "of the test",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "",
        "SHIPIT_TEST_CLOUD": str(folder / "cloud"),
    }


def _engine() -> str:
    return shutil.which("pulumi") or shutil.which("pulumi", path=str(_CACHE)) or ""
