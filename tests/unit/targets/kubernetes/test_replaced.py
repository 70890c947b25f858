"""Which workloads of another kind may be beside their successors."""

from typing import Any

import pytest

from shipit.model.deployment import Action
from shipit.targets.kubernetes import names, replaced
from shipit.targets.kubernetes.plan import Move

Json = dict[str, Any]
CLAIM = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
PORT = {"containers": [{"name": "web", "ports": [{"containerPort": 80, "hostPort": 80}]}]}
ONE_BY_ONE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def workload(kind: str, pod: Json | None = None, **spec: Any) -> Json:
    metadata = {"name": "web", "labels": {names.NAME: "web"}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata,
        "spec": {"template": {"spec": pod or {}}, **spec},
    }


def stays(old: Json, new: Json | None) -> bool:
    moves = [Move("old", Action.REMOVE, None, old)]
    moves += [Move("new", Action.CREATE, new)] if new else []
    return set(replaced.leaving(moves)) == {"web"}


@pytest.mark.parametrize(
    ("old", "new", "beside"),
    [
        (workload("Deployment"), workload("StatefulSet"), True),
        (workload("StatefulSet", CLAIM), workload("Deployment"), True),
        (workload("Deployment"), workload("StatefulSet", CLAIM), True),
        (workload("Deployment", CLAIM), workload("StatefulSet", CLAIM), False),
        (workload("Deployment", PORT), workload("DaemonSet", PORT), False),
        (workload("Deployment", {"hostNetwork": True}), workload("DaemonSet", PORT), False),
        (workload("Deployment", PORT), workload("DaemonSet"), True),
        (workload("StatefulSet"), workload("Deployment", strategy={"type": "Recreate"}), False),
        (workload("StatefulSet"), workload("Deployment", strategy=ONE_BY_ONE), False),
        (workload("Deployment"), workload("Rollout"), False),
    ],
)
def test_which_stays_until_the_other_is_proven(old: Json, new: Json, beside: bool) -> None:
    assert stays(old, new) is beside


def test_what_nothing_comes_for_goes() -> None:
    assert not stays(workload("Deployment"), None)
