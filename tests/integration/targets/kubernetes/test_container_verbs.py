"""The container verbs on the real control plane: its rules, its watches, its Jobs and its RBAC."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipit.errors import PreconditionError
from shipit.model.deployment import Desired
from shipit.model.pipeline import KubernetesTarget
from shipit.model.progress import Failed, Outcome, Progress, Succeeded
from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.target import KubernetesCluster
from shipit.targets.kubernetes.tasks import Run
from tests.fakes.cluster.story import Story, cannot_pull, ends, runs
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = pytest.mark.cluster
Json = dict[str, Any]


def job(place: Place, desired: Desired, service: str, key: str) -> Json:
    labels = names.labels(desired, service)
    container = {"name": service, "image": desired.images[service].reference}
    pod = {"containers": [container], "restartPolicy": "Never"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"shop-dev-{service}-{key}", "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def run(place: Place, key: str = "1", deadline: float = 30) -> tuple[list[Progress], Outcome, Run]:
    desired = place.desired("migrate", deadline=deadline)
    one = Run(place.target().cluster, desired, "migrate", job(place, desired, "migrate", key))
    *said, outcome = one.run()
    assert not isinstance(outcome, Progress)
    return [step for step in said if isinstance(step, Progress)], outcome, one


def lines(said: list[Progress]) -> list[str]:
    return [line for step in said for line in step.logs]


# Tasks


def test_a_task_to_its_end_and_asked_again(place: Place) -> None:
    place.when(ends(0, "one", "two"), "1", "migrate")
    said, outcome, _ = run(place)
    assert outcome == Succeeded({"migrate": IMAGES["1"].digest})
    assert lines(said) == ["one", "two"]
    said, outcome, _ = run(place)
    assert isinstance(outcome, Succeeded)
    assert said[0].message.startswith("an earlier run is there")
    assert place.names("jobs") == ["job.batch/shop-dev-migrate-1"]
    _, outcome, _ = run(place, "2")
    assert isinstance(outcome, Succeeded)
    assert place.names("jobs") == ["job.batch/shop-dev-migrate-2"]


def test_a_task_that_fails(place: Place) -> None:
    """Failure mode 36: the exit code, and the last lines."""
    place.when(ends(3, "no such table"), "1", "migrate")
    _, outcome, one = run(place)
    assert isinstance(outcome, Failed)
    [reason] = outcome.reasons
    assert (reason.what, reason.logs) == ("ended with exit code 3", ("no such table",))
    assert one.exit_code == 3


def test_a_task_without_an_end_is_ended_and_stays_as_a_record(place: Place) -> None:
    place.when(runs("working"), "1", "migrate")
    _, outcome, one = run(place, deadline=2)
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what == "did not end within 2.0s"
    assert one.exit_code == 1
    said = place.kubectl("get", "job", "shop-dev-migrate-1", "-o", "json")
    conditions = json.loads(said)["status"]["conditions"]
    assert "DeadlineExceeded" in {c.get("reason") for c in conditions}


def test_a_tasks_image_that_is_not_there(place: Place) -> None:
    place.when(cannot_pull(), "1", "migrate")
    _, outcome, _ = run(place)
    assert isinstance(outcome, Failed)
    assert "its image cannot be pulled" in outcome.reasons[0].what


def test_another_digest_than_asked_is_no_success(place: Place) -> None:
    place.when(Story(exit_code=0, digest=str(IMAGES["2"].digest)), "1", "migrate")
    _, outcome, _ = run(place)
    assert isinstance(outcome, Failed)
    assert outcome.reasons[0].what.startswith(f"ran {IMAGES['2'].digest.short}, not")


def test_a_task_that_a_quota_refuses(place: Place) -> None:
    """Its Job has no pod: who waits for one would wait for ever."""
    place.kubectl("create", "quota", "none", "--hard=pods=0")
    _, outcome, _ = run(place, deadline=2)
    assert isinstance(outcome, Failed)
    assert "did not end within" in outcome.reasons[0].what


def test_a_task_and_a_command_as_delivery_asks_for_them(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a task needs is there before it: nothing was ever applied here."""
    place.when(ends(0, "migrated"), "1", "migrate")
    desired = msgspec.structs.replace(place.desired("migrate"), services=(), before=("migrate",))
    target = place.target()
    for _ in range(2):
        *_, outcome = target.run_task(desired, "migrate", "deployment-1/migrate")
        assert outcome == Succeeded({"migrate": IMAGES["1"].digest})
    assert len(place.names("jobs")) == 1
    place.deploy(place.desired("web"))
    place.when(ends(3, "hello"), "1", "web")
    assert target.run(place.desired("web"), "web", ["ls"], tty=False) == 3
    assert capsys.readouterr().out == "hello\n"
    assert len(place.names("jobs")) == 1
    assert [row["service"] for row in target.containers()] == ["web"]


# ps, logs


def test_ps_and_logs(place: Place) -> None:
    place.when(runs("hello"), "1")
    place.deploy(place.desired("web", "worker"))
    target = place.target()
    rows = {row["service"]: row for row in target.containers()}
    assert rows.keys() == {"web", "worker"}
    web = rows["web"]
    assert (web["state"], web["health"]) == ("running", "healthy")
    assert web["digest"] == str(IMAGES["1"].digest)
    found = list(target.logs(["web"], follow=False, tail=None, since=None))
    assert found == [(web["name"], "hello")]
    assert list(target.logs(["web"], follow=False, tail=None, since="1h")) == found
    everything = target.logs([], follow=False, tail=5, since=None)
    assert {container for container, _ in everything} >= {web["name"]}
    assert web["name"] not in dict(target.logs(["worker"], follow=False, tail=5, since=None))


def test_logs_follow_a_service_into_its_next_pods(place: Place) -> None:
    for version in "12":
        place.when(runs(f"version {version}"), version)
    place.deploy(place.desired("web"))
    found = place.target().logs(["web"], follow=True, tail=None, since=None)
    assert next(iter(found))[1] == "version 1"
    place.deploy(place.desired("web", version="2"))
    assert next(iter(found))[1] == "version 2"
    found.close()  # type: ignore[attr-defined]


# stop, start, rm


def replicas(place: Place, name: str = "web") -> str:
    return place.kubectl("get", "deployment", name, "-o", "jsonpath={.spec.replicas}")


def test_stop_and_start(place: Place) -> None:
    place.deploy(place.desired("web", deploy={"replicas": 2}))
    [stopped] = place.target().stop(["web"])
    assert (stopped.name, stopped.running) == ("web", 0)
    assert replicas(place) == "0"
    assert place.names("pods") == []
    [started] = place.target().start(["web"])
    assert started.running == 2
    assert replicas(place) == "2"


def test_a_deployment_after_a_stop_starts_again(place: Place) -> None:
    """What was stopped is ours, and no conflict with somebody else."""
    place.deploy(place.desired("web"))
    place.target().stop(["web"])
    _, _, outcome = place.deploy(place.desired("web", version="2"))
    assert outcome == Succeeded({"web": IMAGES["2"].digest})
    assert replicas(place) == "1"


def test_an_autoscaled_service_is_stopped_and_comes_back_as_it_was(place: Place) -> None:
    """Failure mode 34."""
    place.deploy(place.desired("web"))
    place.kubectl("scale", "deployment", "web", "--replicas=3")
    place.kubectl("autoscale", "deployment", "web", "--min=2", "--max=5", "--cpu=50%")
    place.target().stop(["web"])
    assert replicas(place) == "0"
    place.target().start(["web"])
    assert replicas(place) == "3"
    assert place.names("hpa") == ["horizontalpodautoscaler.autoscaling/web"]


def test_rm_takes_what_is_ours(place: Place) -> None:
    """Failure mode 35."""
    place.deploy(place.desired("web", ports=[{"target": 80}]))
    place.kubectl("create", "configmap", "theirs")
    place.kubectl("create", "deployment", "theirs", "--image=registry.test/x", "--replicas=0")
    removed = place.target().remove(volumes=False)
    assert set(removed) >= {"Deployment/web", "Service/web", "ConfigMap/shop-dev"}
    assert place.names("deployments") == ["deployment.apps/theirs"]
    assert place.names("pods") == []
    assert "configmap/theirs" in place.names("configmaps")
    assert place.names("services") == []


# check and the Role


def of(place: Place, desired: Desired | None, subject: str) -> list[tuple[str, str]]:
    return [(f.level, f.what) for f in place.target().check(desired) if f.subject == subject]


def test_check_on_a_cluster_that_is_ready(place: Place) -> None:
    findings = list(place.target().check(place.desired("web")))
    assert [f for f in findings if f.level == "error"] == []
    assert findings[0].what.startswith("the context")
    assert findings[-1].what == "it can be deployed here"


def test_check_finds_a_quota_that_is_in_the_way(place: Place) -> None:
    place.kubectl("create", "quota", "team", "--hard=pods=1")
    place.kubectl(
        "wait", "--for=jsonpath={.status.hard.pods}=1", "resourcequota/team", "--timeout=30s"
    )
    two = place.desired("web", deploy={"replicas": 2})
    assert of(place, two, "quotas") == [("error", "team leaves 1 of pods, and 2 are asked for")]


def test_check_finds_a_rollout_that_a_quota_would_stop(place: Place) -> None:
    """Both fit, one after the other; a new pod beside the old one does not."""
    limits: Json = {"deploy": {"resources": {"limits": {"cpus": "0.1", "memory": "16M"}}}}
    place.deploy(place.desired("web", **limits))
    place.kubectl("create", "quota", "team", "--hard=pods=1")
    place.kubectl(
        "wait", "--for=jsonpath={.status.used.pods}=1", "resourcequota/team", "--timeout=30s"
    )
    words = "team leaves 0 of pods, and a new pod of web beside the old ones takes 1"
    assert of(place, place.desired("web", version="2", **limits), "quotas") == [("error", words)]
    assert of(place, place.desired("web", **limits), "quotas")[0][0] == "ok"
    limits["deploy"]["update_config"] = {"order": "stop-first"}
    stops_first = place.desired("web", version="2", **limits)
    assert of(place, stops_first, "quotas")[0][0] == "ok"
    _, _, outcome = place.deploy(stops_first)
    assert isinstance(outcome, Succeeded)


def test_check_finds_what_a_limit_range_refuses_to_every_pod(place: Place) -> None:
    limit = {"type": "Container", "max": {"memory": "64Mi"}}
    metadata = {"name": "team"}
    made = {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata}
    place.kubectl("create", "-f", "-", stdin={**made, "spec": {"limits": [limit]}})
    large: Json = {"deploy": {"resources": {"limits": {"memory": "128M"}}}}
    desired = place.desired("web", deadline=5.0, **large)
    [(level, what)] = of(place, desired, "limits")
    assert level == "error"
    assert "a limit of" in what
    assert "64Mi is the most (team)" in what
    _, _, outcome = place.deploy(desired)
    assert isinstance(outcome, Failed)
    assert "maximum memory usage per Container is 64Mi" in str(outcome)
    assert of(place, place.desired("web"), "limits") == []  # filled in with the most


def as_deployer(place: Place, folder: Path) -> KubernetesCluster:
    """Whoever has the Role that `shipit rbac` prints for the release, and nothing else."""
    place.kubectl("create", "serviceaccount", "deployer")
    made, _ = place.target().role([place.desired("web")], ("ServiceAccount", "deployer"))
    for one in made:
        place.kubectl("create", "-f", "-", stdin=one)
    token = place.kubectl("create", "token", "deployer").strip()
    found = json.loads(place.cluster.kubeconfig.read_text())
    found["contexts"][0]["context"]["namespace"] = place.namespace
    found["users"][0]["user"] = {"token": token}
    path = folder / "deployer"
    path.write_text(json.dumps(found))
    settings = KubernetesTarget(kubeconfig=str(path))
    return KubernetesCluster("default", settings, "dev", "shop", "/")


def test_the_printed_role_is_enough_for_all_that_shipit_does(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deploy, look, stop, start, run, remove: with the Role alone, on a server that enforces it."""
    deployer = as_deployer(place, tmp_path)
    monkeypatch.setattr(place, "target", lambda: deployer)
    levels = {f.subject: f.level for f in deployer.check(place.desired("web"))}
    assert levels["permissions"] == "ok"
    _, _, outcome = place.deploy(place.desired("web"))
    assert isinstance(outcome, Succeeded)
    place.when(cannot_pull(), "2")
    _, _, outcome = place.deploy(place.desired("web", version="2"))
    assert isinstance(outcome, Failed)
    place.deploy(place.desired("web"))
    assert len(deployer.containers()) == 1
    deployer.stop(["web"])
    deployer.start(["web"])
    place.when(ends(0, "done"), "1", "migrate")
    _, outcome, _ = run(place)
    assert isinstance(outcome, Succeeded)
    assert "Deployment/web" in deployer.remove(volumes=True)
    granted, used = _granted(place), _used(place)
    assert used - granted == {
        ("", "namespaces", "get"),
        ("", "serviceaccounts", "get"),  # whether it names a Secret to pull with: else not verified
        (*REVIEWS, "create"),
    }
    # What these rules are for has not happened here.
    # What these are for has not happened here: terminals, a task that does not end, claims.
    assert granted - used == {
        ("", "pods/attach", "create"),
        ("", "pods/attach", "get"),
        ("", "pods/exec", "create"),
        ("", "pods/exec", "get"),
        ("", "persistentvolumeclaims", "delete"),
        ("batch", "jobs", "patch"),
    }


REVIEWS = ("authorization.k8s.io", "selfsubjectrulesreviews")


def _granted(place: Place) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in place.target().role([place.desired("web")], None)[0][0]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _used(place: Place) -> set[tuple[str, str, str]]:
    """From the API server's own audit log. Applying what is not there yet is to create it, too."""
    assert place.cluster.plane
    user = f"system:serviceaccount:{place.namespace}:deployer"
    found = set()
    for event in place.cluster.plane.requests():
        about = event.get("objectRef")
        if not about or event["user"]["username"] != user:
            continue
        parts = [about["resource"], about.get("subresource", "")]
        key = (about.get("apiGroup", ""), "/".join(filter(None, parts)))
        found.add((*key, event["verb"]))
        if event["verb"] == "patch" and event["responseStatus"]["code"] == 201:
            found.add((*key, "create"))
    return found


def test_without_a_permission_check_names_it(place: Place, tmp_path: Path) -> None:
    deployer = as_deployer(place, tmp_path)
    role = json.loads(place.kubectl("get", "role", "shop-dev-deployer", "-o", "json"))
    role["rules"] = [r for r in role["rules"] if "pods/exec" not in r["resources"]]
    role["rules"] = [r for r in role["rules"] if "deployments" not in r["resources"]]
    place.kubectl("replace", "-f", "-", stdin=role)
    found = [(f.level, f.what) for f in deployer.check(None) if f.subject == "permissions"]
    assert any(level == "error" and "deployments.apps is not allowed" in w for level, w in found)
    assert any(level == "warning" and "pods/exec" in w for level, w in found)
    with pytest.raises(PreconditionError):
        deployer.observe()


def test_tasks_go_on_while_the_server_restarts(place: Place) -> None:
    """Only the time changes."""
    assert place.cluster.plane
    place.when(ends(0, "one", after=4.0), "1", "migrate")
    restart: Callable[[], None] = place.cluster.plane.restart
    late = threading.Timer(1.0, restart)
    late.start()
    _, outcome, _ = run(place, deadline=60)
    late.join()
    assert isinstance(outcome, Succeeded)
