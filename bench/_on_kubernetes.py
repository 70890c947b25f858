"""One deployment to a cluster, as delivery does it, or `ps`, in a process of its own.

`python -m bench._on_kubernetes DESIRED KUBECONFIG NAMESPACE deploy|ps` prints how it ended, what it
took in seconds, and its largest memory in kilobytes.
"""

import json
import re
import sys
import time
from pathlib import Path

from shipit.model import codec
from shipit.model.deployment import Desired
from shipit.model.pipeline import KubernetesTarget
from shipit.model.progress import Succeeded
from shipit.targets.kubernetes.target import KubernetesCluster


def main(desired: str, kubeconfig: str, namespace: str, verb: str) -> int:
    wanted = codec.decode(Path(desired).read_bytes(), Desired)
    settings = KubernetesTarget(kubeconfig=kubeconfig, namespace=namespace)
    target = KubernetesCluster("default", settings, wanted.environment, wanted.app, "/")
    began = time.monotonic()
    good, told = _ps(target) if verb == "ps" else _deploy(target, wanted)
    took = time.monotonic() - began
    print(json.dumps({"took": took, "peak": _peak(), "outcome": told}))
    return 0 if good else 1


def _peak() -> int:
    """Of this program alone: getrusage also counts what its parent held when it was started."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


def _deploy(target: KubernetesCluster, wanted: Desired) -> tuple[bool, str]:
    plan = target.plan(wanted, target.observe())
    plan = target.preflight(plan)
    *_, outcome = target.follow(target.apply(plan))
    return isinstance(outcome, Succeeded), str(outcome)


def _ps(target: KubernetesCluster) -> tuple[bool, str]:
    rows = target.containers()
    return bool(rows), f"{len(rows)} rows"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
