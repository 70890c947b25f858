"""Where the programs are: in `KUBEBUILDER_ASSETS`, or where `scripts/control-plane` builds them."""

import os
import shutil
from pathlib import Path

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shipit/control-plane"


def missing() -> str:
    """Why no cluster can be started or found, "" when one can."""
    if os.environ.get("SHIPIT_TEST_KUBECONFIG") or all(argv(part) for part in PARTS):
        return ""
    return "no Kubernetes control plane: `scripts/control-plane` builds it where Go is there"


def argv(part: str) -> list[str]:
    """How a part is started, before its flags; empty when it is not there.

    envtest's assets have no kube-controller-manager and no kube-scheduler: what the folder lacks
    is taken from our own build.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (found := shutil.which(part, path=assets)):
        return [found]
    found = shutil.which("control-plane", path=str(_HOME))
    return [found, part] if found else []
