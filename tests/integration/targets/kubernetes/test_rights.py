"""The printed rights on a server that enforces them: going back, pruning, other namespaces."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shipit.errors import PreconditionError
from shipit.model.deployment import Desired, Finding
from shipit.model.progress import Succeeded
from tests.integration.targets.kubernetes.conftest import Place
from tests.integration.targets.kubernetes.test_brought_kinds import everything, group
from tests.integration.targets.kubernetes.test_objects import sourced, workload
from tests.integration.targets.kubernetes.test_own_manifests import desired as own

__all__ = ["group"]

pytestmark = pytest.mark.cluster
Json = dict[str, Any]
PORTS = [{"target": 80, "published": "80"}]
WITH_INGRESS: Json = {
    "ports": PORTS,
    "x-kubernetes": {"ingress": {"hosts": ["shop.example"]}},
}


class Deployer:
    """A ServiceAccount with the printed rights for some releases, in the place of an admin."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.admin = place, place.kubeconfig
        place.kubectl("create", "serviceaccount", "deployer")
        token = place.kubectl("create", "token", "deployer").strip()
        found = json.loads(place.kubeconfig.read_text())
        found["users"][0]["user"] = {"token": token}
        self.own = folder / "deployer"
        self.own.write_text(json.dumps(found))

    def may(self, releases: Sequence[Desired]) -> list[Json]:
        """An admin prints and applies them; from then on the deployer acts."""
        self.place.kubeconfig = self.admin
        subject = ("ServiceAccount", "deployer")
        made, notes = self.place.target().role(releases, subject)
        assert notes == []
        for one in made:
            self.place.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(one))
        self.place.kubeconfig = self.own
        return made


@pytest.fixture
def deployer(place: Place, tmp_path: Path) -> Deployer:
    return Deployer(place, tmp_path)


def forget(place: Place, made: Sequence[Json]) -> None:
    """What is the whole cluster's."""
    for one in made:
        if not one["metadata"].get("namespace"):
            place.cluster.kubectl("delete", f"{one['kind']}/{one['metadata']['name']}")


def said(found: Sequence[Finding], subject: str = "permissions") -> list[tuple[str, str]]:
    return [(f.level, f.what) for f in found if f.subject == subject]


def test_a_smaller_role_would_keep_nobody_from_going_back(place: Place, deployer: Deployer) -> None:
    """The newest release has no Ingress; the one before it had."""
    before, after = (
        place.desired("web", **WITH_INGRESS),
        place.desired("web", version="2", ports=PORTS),
    )
    place.deploy(before)
    deployer.may([after])
    assert said(list(place.target().check(after))) == [
        ("ok", f"all that a deployment needs in {place.namespace}")
    ]
    [warning] = said(list(place.target().check_return(after, [before])))
    takes = "create, patch on ingresses.networking.k8s.io, which is not allowed"
    assert warning == ("warning", f"going back to {before.release_id} takes {takes}")
    _, _, outcome = place.deploy(after)
    assert isinstance(outcome, Succeeded)
    assert place.names("ingresses") == []
    with pytest.raises(PreconditionError, match="Ingress/web"):
        place.deploy(before)
    deployer.may([after, before])
    assert said(list(place.target().check_return(after, [before]))) == []
    _, _, outcome = place.deploy(before)
    assert isinstance(outcome, Succeeded)
    assert place.names("ingresses") == ["ingress.networking.k8s.io/web"]


ELSEWHERE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: front}
spec:
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec: {containers: [{name: app, image: "web:latest"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: front, namespace: OTHER}
data: {upstream: front}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: OTHER-first}
value: 10
"""


def test_objects_elsewhere_have_rights_of_their_own(place: Place, deployer: Deployer) -> None:
    with place.cluster.namespace() as other:
        desired = own(place, ELSEWHERE.replace("OTHER", other), "1")
        deployer.may([place.desired("web")])
        missing = said(list(place.target().check(desired)))
        assert (
            "error",
            f"create, delete, list, patch on configmaps is not allowed in {other}",
        ) in (missing)
        whole = "priorityclasses.scheduling.k8s.io is not allowed in the whole cluster"
        assert ("error", f"create, delete, list, patch on {whole}") in missing
        made = deployer.may([desired])
        try:
            assert [(o["kind"], o["metadata"].get("namespace")) for o in made[::2]] == [
                ("Role", place.namespace),
                ("Role", other),
                ("ClusterRole", None),
            ]
            _, _, outcome = place.deploy(desired)
            assert isinstance(outcome, Succeeded)
            assert said(list(place.target().check(desired))) == [
                (
                    "ok",
                    f"all that a deployment needs in {place.namespace}, {other}, the whole cluster",
                )
            ]
            assert set(place.target().remove(volumes=False)) >= {
                "ConfigMap/front",
                f"PriorityClass/{other}-first",
            }
        finally:
            forget(place, made)


def test_a_kind_that_comes_along_is_in_the_printed_rights(
    place: Place, deployer: Deployer, group: str
) -> None:
    """Its definition says what it is called, and whether it is of the whole cluster."""
    desired = everything(place, group)
    made = deployer.may([desired])
    try:
        found = list(place.target().check(desired))
        assert [f for f in found if f.level == "error"] == []
        assert ("ok", f"Widget of {group}/v1 comes with this deployment") in said(found, "kinds")
        _, _, outcome = place.deploy(desired)
        assert isinstance(outcome, Succeeded)
        without = sourced(place, workload("Deployment", "2"), version="2")
        _, _, outcome = place.deploy(without)
        assert isinstance(outcome, Succeeded)
    finally:
        place.kubeconfig = deployer.admin
        forget(place, made)


def test_a_kind_that_the_cluster_lacks_is_said_before(place: Place) -> None:
    """By `check`, and by the plan in a sentence with a next step."""
    route = {"gateway": "public", "hosts": ["shop.example"]}
    more: Json = {"ports": PORTS, "x-kubernetes": {"route": route}}
    desired = place.desired("web", **more)
    found = list(place.target().check(desired))
    what = "the cluster has no kind HTTPRoute in gateway.networking.k8s.io/v1"
    assert [w for level, w in said(found, "kinds") if level == "error"] == [
        f"{what}, and there would be HTTPRoute/web"
    ]
    target = place.target()
    with pytest.raises(PreconditionError) as error:
        target.preflight(target.plan(desired, target.observe()))
    told = f"{error.value.what} {error.value.why}"
    assert "HTTPRoute" in told
    assert "the cluster has no" in told
    assert "install" in error.value.next_step
