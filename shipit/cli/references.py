"""The reference files that come with shipit: pipelines/, stacks/ and infra/."""

import shutil
from importlib.resources import files
from pathlib import Path

_SKIPPED = shutil.ignore_patterns("__pycache__", ".venv", "*.pyc", "Pulumi.*.yaml")


def reference(name: str) -> Path:
    """The folder: inside the installed package, or beside it in a checkout."""
    package = Path(str(files("shipit")))
    inside = package / "templates" / name
    return inside if inside.is_dir() else package.parent / name


def copy(name: str, folder: Path) -> str:
    """Into `folder`, unless it has one of this name. What was written, "" for nothing."""
    if (folder / name).exists():
        return ""
    shutil.copytree(reference(name), folder / name, ignore=_SKIPPED)
    return f"{name}/"
