"""What is planned, applied and pruned on the real control plane, and what kubectl says of it."""

import json
from typing import Any

import msgspec
import pytest

from shipit.errors import PreconditionError
from shipit.model.deployment import Action, Desired
from shipit.model.pipeline import KubernetesTarget
from shipit.model.progress import Failed, Succeeded
from shipit.targets.kubernetes.target import KubernetesCluster
from tests.fakes.cluster.story import ends
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = pytest.mark.cluster
Json = dict[str, Any]
PORTS = [{"mode": "ingress", "target": 80, "published": "80", "protocol": "tcp"}]


def labels(name: str) -> Json:
    return {"shipit.dev/service": name, "shipit.dev/instance": "shop-dev"}


def workload(kind: str, version: str, **spec: Any) -> Json:
    container = {"name": "web", "image": IMAGES[version].reference}
    template = {"metadata": {"labels": labels("web")}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "labels": labels("web")},
        "spec": {"selector": {"matchLabels": labels("web")}, "template": template, **spec},
    }


def config(**data: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "labels": labels("web")},
        "data": data,
    }


def sourced(place: Place, *objects: Json, version: str = "1") -> Desired:
    return msgspec.structs.replace(place.desired("web", version=version), source=objects)


def test_the_plan_is_the_servers_dry_run_and_changes_nothing(place: Place) -> None:
    place.deploy(place.desired("web", environment={"TOKEN_FILE": "/a"}))
    before = place.kubectl("get", "deployment", "web", "-o", "jsonpath={.metadata.resourceVersion}")
    target = place.target()
    desired = place.desired("web", version="2", environment={"TOKEN_FILE": "/b"}, scale=2)
    plan = target.preflight(target.plan(desired, target.observe()))
    [change] = plan.changes
    assert (change.service, change.action) == ("web", Action.UPDATE)
    assert f"its image changes from {IMAGES['1'].digest.short}" in change.why
    paths = [line.partition(": ")[2].partition(": ")[0] for line in change.diff]
    inside = "spec.template.spec.containers.web"
    assert paths == [
        *("spec.replicas", "spec.replicas"),
        *(f"{inside}.env.TOKEN_FILE", f"{inside}.env.TOKEN_FILE"),
        *(f"{inside}.image", f"{inside}.image"),
    ]
    assert "/b" not in str(change.diff)
    after = place.kubectl("get", "deployment", "web", "-o", "jsonpath={.metadata.resourceVersion}")
    assert after == before


def test_a_field_of_somebody_else_is_a_conflict_that_names_the_owner(place: Place) -> None:
    place.deploy(place.desired("web"))
    place.kubectl("scale", "deployment/web", "--replicas=3")
    target = place.target()
    plan = target.plan(place.desired("web", version="2"), target.observe())
    with pytest.raises(PreconditionError) as error:
        target.preflight(plan)
    assert error.value.what == "Deployment/web: spec.replicas is owned by kubectl"
    assert place.target().observe().services["web"].images == (IMAGES["1"].digest,)
    forced = place.target(force_conflicts=True)
    plan = forced.preflight(forced.plan(place.desired("web", version="2"), forced.observe()))
    assert plan.notes == ("Deployment/web: spec.replicas is taken over from kubectl",)
    *_, outcome = forced.follow(forced.apply(plan))
    assert isinstance(outcome, Succeeded)
    assert place.target().observe().services["web"].desired == 1


def test_what_the_server_would_not_take_is_refused_before_anything_changes(place: Place) -> None:
    bad = workload("Deployment", "1")
    bad["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    target = place.target()
    plan = target.plan(sourced(place, config(a="1"), bad), target.observe())
    with pytest.raises(PreconditionError, match="would not take Deployment/web") as error:
        target.preflight(plan)
    assert "spec.template.spec.restartPolicy" in error.value.why
    assert "configmap/settings" not in place.names("configmap")


def test_a_namespace_that_is_not_there_is_said_once(place: Place) -> None:
    settings = KubernetesTarget(kubeconfig=str(place.kubeconfig), namespace="nowhere")
    target = KubernetesCluster("default", settings, "dev", "shop", "/")
    plan = target.plan(place.desired("web", "worker", ports=PORTS), target.observe())
    with pytest.raises(PreconditionError) as error:
        target.preflight(plan)
    assert (error.value.what, error.value.why) == ("there is no namespace nowhere", "")
    assert error.value.next_step.startswith("`kubectl create namespace nowhere`")


def test_a_service_that_is_gone_goes_with_all_it_had_and_nothing_else_does(place: Place) -> None:
    """Failure mode 35: another environment's, a person's, and data stay."""
    place.deploy(place.desired("web", "worker", ports=PORTS))
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
    alike = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "alike", "labels": labels("worker")},
        "spec": {"ports": [{"port": 80}]},
    }
    for one in (other, alike):
        place.kubectl("apply", "-f", "-", stdin=one)
    plan, _, outcome = place.deploy(place.desired("web", ports=PORTS))
    assert isinstance(outcome, Succeeded)
    assert ("worker", Action.REMOVE) in [(c.service, c.action) for c in plan.changes]
    assert place.names("deployment") == ["deployment.apps/web"]
    assert "service/worker" not in place.names("service")
    assert "service/alike" in place.names("service")
    assert "configmap/other" in place.names("configmap")


def test_a_claim_is_data_and_stays_and_kinds_that_are_gone_are_let_go(place: Place) -> None:
    """Failure mode 35."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "labels": labels("web")},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "labels": labels("web")},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": labels("web")}},
    }
    place.deploy(sourced(place, claim, budget, workload("Deployment", "1")))
    plan, _, outcome = place.deploy(sourced(place, workload("Deployment", "2"), version="2"))
    assert isinstance(outcome, Succeeded)
    assert any("PersistentVolumeClaim/data stays" in note for note in plan.notes)
    assert place.names("pvc") == ["persistentvolumeclaim/data"]
    assert place.names("pdb") == []
    key = r"applyset\.kubernetes\.io/contains-group-kinds"
    path = f"jsonpath={{.metadata.annotations.{key}}}"
    kinds = place.kubectl("get", "configmap", "shop-dev", "-o", path)
    assert kinds == "Deployment.apps,PersistentVolumeClaim"


def test_two_environments_of_one_namespace_leave_each_other_alone(place: Place) -> None:
    """Failure mode 35."""
    place.deploy(place.desired("web"))
    place.shop.app = "blog"
    other = place.target()
    other._app = "blog"
    desired = place.desired("front")
    list(other.follow(other.apply(other.plan(desired, other.observe()))))
    assert sorted(place.names("deployment")) == ["deployment.apps/front", "deployment.apps/web"]
    assert set(other.observe().services) == {"front"}
    place.shop.app = "shop"
    assert set(place.target().observe().services) == {"web"}


def test_the_way_back_restores_everything_and_drops_what_was_added(place: Place) -> None:
    """The whole previous state: configuration and counts, not the image alone."""
    old = sourced(place, config(level="info"), workload("Deployment", "1", replicas=1))
    assert isinstance(place.deploy(old)[2], Succeeded)
    changed = workload("Deployment", "2", replicas=2, minReadySeconds=1)
    place.when(ends(1), "2")
    new = sourced(place, config(level="debug", more="yes"), changed, version="2")
    assert isinstance(place.deploy(new)[2], Failed)
    assert isinstance(place.deploy(old)[2], Succeeded)
    data = json.loads(place.kubectl("get", "configmap", "settings", "-o", "jsonpath={.data}"))
    assert data == {"level": "info"}
    spec = json.loads(place.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec}"))
    assert (spec["replicas"], spec.get("minReadySeconds", 0)) == (1, 0)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_stateful_sets_and_daemon_sets_roll_too(place: Place, kind: str) -> None:
    counted = {"replicas": 2, "serviceName": "web"} if kind == "StatefulSet" else {}
    for version in "12":
        one = workload(kind, version, **counted)
        _, _, outcome = place.deploy(sourced(place, one, version=version))
        assert outcome == Succeeded({"web": IMAGES[version].digest})
    place.when(ends(2, "no disk"), "3")
    _, _, outcome = place.deploy(sourced(place, workload(kind, "3", **counted), version="3"))
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == "exited with code 2"
    assert outcome.reasons[0].logs == ("no disk",)


def test_kubectl_knows_whose_the_set_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECTL_APPLYSET", "true")
    place.deploy(place.desired("web"))
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    words = ("apply", "--server-side", "--prune", "--applyset=configmap/shop-dev", "-f", "-")
    said = place.kubectl(*words, stdin=one, check=False)
    assert 'managed by tooling "shipit" instead of "kubectl"' in said
    assert place.names("deployment") == ["deployment.apps/web"]


def test_kubectl_takes_our_set_for_one_of_its_own_once_it_is_told_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id, the kinds and the members are as kubectl itself would have written them."""
    monkeypatch.setenv("KUBECTL_APPLYSET", "true")
    place.deploy(place.desired("web", ports=PORTS))
    tooling = "applyset.kubernetes.io/tooling=kubectl/v1.36.0"
    place.kubectl("annotate", "--overwrite", "configmap/shop-dev", tooling)
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    words = ("apply", "--server-side", "--prune", "--applyset=configmap/shop-dev", "-f", "-")
    said = place.kubectl(*words, stdin=one)
    assert "deployment.apps/web pruned" in said
    assert "service/web pruned" in said


def test_a_set_of_another_tool_is_refused(place: Place) -> None:
    one = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop-dev"}}
    place.kubectl("apply", "-f", "-", stdin=one)
    with pytest.raises(PreconditionError, match="the ConfigMap shop-dev is not shipit's"):
        place.target().observe()


def test_what_may_not_be_read_is_no_empty_namespace(place: Place) -> None:
    """Failure mode 16."""
    place.deploy(place.desired("web"))
    target = place.target()
    nobody = (("Impersonate-User", "nobody"),)
    cluster = target._cluster
    cluster.connection.access = msgspec.structs.replace(cluster.access, headers=nobody)
    with pytest.raises(PreconditionError, match="forbidden") as error:
        target.observe()
    assert "shipit rbac" in error.value.next_step


def test_what_is_there_already_is_taken_over_and_said(place: Place) -> None:
    place.kubectl("apply", "--server-side", "-f", "-", stdin=workload("Deployment", "1"))
    target = place.target()
    desired = sourced(place, workload("Deployment", "1"))
    plan = target.preflight(target.plan(desired, target.observe()))
    assert plan.changed
    assert isinstance(place.deploy(desired)[2], Succeeded)
    assert not place.deploy(desired)[0].changed


def test_what_runs_at_its_times_is_proven_by_its_cron_job(place: Place) -> None:
    timed = {"schedule": "cron(0 3 * * ? *)", "timezone": "Europe/Madrid"}
    desired = place.shop.desired(
        {"web": {"command": ["serve"]}, "night": {"command": ["sweep"], "x-shipit": timed}}
    )
    desired = msgspec.structs.replace(desired, services=("web",), scheduled=("night",))
    _, said, outcome = place.deploy(desired)
    assert outcome == Succeeded(dict.fromkeys(("web", "night"), IMAGES["1"].digest))
    assert place.names("cronjob") == ["cronjob.batch/night"]
    assert f"is scheduled with {IMAGES['1'].digest.short}" in [p.message for p in said]
    plan, _, _ = place.deploy(desired)
    assert not plan.changed
    assert place.target().observe().services["night"].images == (IMAGES["1"].digest,)


def test_what_old_pods_may_ask_for_goes_once_the_new_ones_are_proven(place: Place) -> None:
    place.deploy(sourced(place, config(a="1"), workload("Deployment", "1")))
    seen: list[bool] = []
    _, _, outcome = place.deploy(
        sourced(place, workload("Deployment", "2"), version="2"),
        meanwhile=lambda _: seen.append("configmap/settings" in place.names("configmap")),
    )
    assert isinstance(outcome, Succeeded)
    assert seen[0]
    assert "configmap/settings" not in place.names("configmap")
