"""A team's own Kubernetes objects: where their images are, and what they keep running."""

from typing import Any

import pytest
import yaml

from shipit.config.source import Written
from shipit.errors import ConfigurationError
from shipit.model.pipeline import ImageField
from shipit.targets.kubernetes import own

POD = {
    "initContainers": [{"name": "wait", "image": "busybox:1.36"}],
    "containers": [{"name": "app", "image": "web"}, {"name": "proxy", "image": "envoy:v1"}],
    "ephemeralContainers": [{"name": "debug", "image": "tools"}],
    "volumes": [{"name": "data"}, {"name": "site", "image": {"reference": "pages:1"}}],
}


def made(kind: str, name: str = "web", group: str = "apps/v1", **more: Any) -> dict[str, Any]:
    spec = {"template": {"spec": POD}, **more.pop("spec", {})}
    return {"apiVersion": group, "kind": kind, "metadata": {"name": name, **more}, "spec": spec}


def places(*objects: dict[str, Any], fields: tuple[ImageField, ...] = ()) -> dict[str, str]:
    return {
        f"{one.position}:" + ".".join(map(str, one.steps)): one.image
        for one in own.images(objects, fields)
    }


def test_every_image_of_a_pod_template_is_found() -> None:
    assert places(made("Deployment")) == {
        "0:spec.template.spec.initContainers.0.image": "busybox:1.36",
        "0:spec.template.spec.containers.0.image": "web",
        "0:spec.template.spec.containers.1.image": "envoy:v1",
        "0:spec.template.spec.ephemeralContainers.0.image": "tools",
        "0:spec.template.spec.volumes.1.image.reference": "pages:1",
    }


@pytest.mark.parametrize(
    "text",
    [
        "{kind: Pod, spec: {containers: [{name: a, image: a}]}}",
        "{kind: Job, spec: {template: {spec: {containers: [{name: a, image: a}]}}}}",
        (
            "{kind: CronJob, spec: {jobTemplate: {spec: {template: {spec:"
            " {containers: [{name: a, image: a}]}}}}}}"
        ),
        "{kind: Rollout, spec: {template: {spec: {containers: [{name: a, image: a}]}}}}",
        "{kind: AnyThing, spec: {roles: [{pods: {containers: [{name: a, image: a}]}}]}}",
    ],
)
def test_a_pod_template_is_found_at_every_depth(text: str) -> None:
    body = {"apiVersion": "example.com/v1", "metadata": {"name": "a"}, **yaml.safe_load(text)}
    assert list(places(body).values()) == ["a"]


def test_what_only_looks_like_one_is_left_alone() -> None:
    definition = {"properties": {"containers": {"type": "array", "items": {"image": "no"}}}}
    text = {"containers": "- image: no", "image": "no"}
    assert (
        places(made("ConfigMap", spec={"template": definition}), {**made("A"), "spec": text}) == {}
    )


FIELD = ImageField(kind="Prometheus", path="spec/image")
PROMETHEUS = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "Prometheus",
    "metadata": {"name": "p"},
    "spec": {"image": "prom:v3", "thanos": [{"image": "thanos:1"}, {"image": "thanos:2"}]},
}


def test_an_image_elsewhere_is_found_by_its_field() -> None:
    thanos = ImageField(kind="Prometheus", path="spec/thanos[]/image")
    bare = ImageField(kind="Prometheus", path="spec/thanos/image")
    assert places(PROMETHEUS, fields=(FIELD,)) == {"0:spec.image": "prom:v3"}
    assert places(PROMETHEUS, fields=(thanos,)) == places(PROMETHEUS, fields=(bare,))
    assert list(places(PROMETHEUS, fields=(bare,)).values()) == ["thanos:1", "thanos:2"]


@pytest.mark.parametrize(
    "field",
    [
        ImageField(kind="Alertmanager", path="spec/image"),
        ImageField(kind="Prometheus", path="spec/picture"),
        ImageField(kind="Prometheus", path="spec/image", group="other.io"),
        ImageField(kind="Prometheus", path="spec/image", version="v2"),
    ],
)
def test_a_field_that_nothing_has_is_told(field: ImageField) -> None:
    assert list(own.unmatched([PROMETHEUS], [FIELD, field])) == [1]


def test_the_services_are_what_keeps_pods_running() -> None:
    rollout = made("Rollout", "shop", "argoproj.io/v1alpha1")
    found = own.services(
        [
            made("Service", "web", "v1"),
            made("Deployment", "web", spec={"replicas": 3}),
            made("StatefulSet", "db", spec={"replicas": 0}),
            made("DaemonSet", "logs"),
            rollout,
            made("Job", "migrate", "batch/v1"),
            made("Deployment", "other", "example.com/v1"),
        ]
    )
    assert found == {
        "web": {"image": "web", "deploy": {"replicas": 3}},
        "db": {"image": "web", "deploy": {"replicas": 0}},
        "logs": {"image": "web", "deploy": {"mode": "global"}},
        "shop": {"image": "web", "deploy": {"replicas": 1}},
    }


def test_workloads_of_one_name_are_told_apart() -> None:
    deployment, stateful = made("Deployment"), made("StatefulSet")
    assert list(own.workloads([deployment, stateful])) == ["deployment.web", "statefulset.web"]
    spaces = [made("Deployment", namespace=name) for name in ("a", "b")]
    assert list(own.workloads(spaces)) == ["a.deployment.web", "b.deployment.web"]


ROLLOUT = {
    "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
    "template": None,
    "replicas": 3,
}
PARTITION = {"updateStrategy": {"rollingUpdate": {"partition": 1}}}
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}


@pytest.mark.parametrize(
    ("one", "path", "what"),
    [
        (
            made("Rollout", "web", "argoproj.io/v1alpha1", spec=ROLLOUT),
            "spec.workloadRef",
            "the Deployment web, whose pods it would run, is not here",
        ),
        (
            made("StatefulSet", spec=PARTITION),
            "spec.updateStrategy.rollingUpdate.partition",
            "the pods below number 1 would stay",
        ),
        (made("StatefulSet", spec=ON_DELETE), "spec.updateStrategy.type", "until somebody deletes"),
        (made("DaemonSet", spec=ON_DELETE), "spec.updateStrategy.type", "until somebody deletes"),
        (made("Deployment", spec={"paused": True}), "spec.paused", "nothing of it would roll out"),
    ],
)
def test_what_could_never_be_proven_is_refused(one: dict[str, Any], path: str, what: str) -> None:
    """Failure mode 15: it would only be waited for, until its deadline."""
    with pytest.raises(ConfigurationError) as error:
        own.objects([Written(one, "k8s/web.yaml")])
    assert (error.value.file, error.value.path) == ("k8s/web.yaml", path)
    assert what in error.value.what


def test_a_rollout_that_runs_a_deployment_gives_it_its_count() -> None:
    """The Deployment is at 0, and the service is its."""
    several = [
        made("Rollout", "canary", "argoproj.io/v1alpha1", spec=ROLLOUT),
        made("Deployment", spec={"replicas": 0}),
    ]
    found = own.objects([Written(one, "k8s/web.yaml") for one in several])
    assert own.services(found) == {"web": {"image": "web", "deploy": {"replicas": 3}}}


@pytest.mark.parametrize(
    ("spaces", "homes", "refused"),
    [
        (("", ""), {"shop"}, ""),
        (("shop", ""), {"shop"}, ""),
        (("shop", "back"), {"shop"}, "it would run in back, and the target's namespace is shop"),
        (("shop",), {"shop", "back"}, "it would run in shop, and the target's namespace is back"),
        (("shop", ""), {""}, ""),  # the kubeconfig says which: the plan knows
        (("a", "b"), {""}, "it would run in b, and the target's namespace is a"),
    ],
)
def test_a_workload_of_another_namespace_is_refused_with_its_place(
    spaces: tuple[str, ...], homes: set[str], refused: str
) -> None:
    elsewhere = made("ConfigMap", namespace="anywhere", group="v1")
    several = [made("Deployment", f"web{n}", namespace=name) for n, name in enumerate(spaces)]
    written = [Written(one, "k8s/web.yaml") for one in (elsewhere, *several)]
    if not refused:
        own.refuse_elsewhere(written, homes)
        return
    with pytest.raises(ConfigurationError) as error:
        own.refuse_elsewhere(written, homes)
    assert error.value.path == "metadata.namespace"
    assert error.value.what.endswith(refused)


@pytest.mark.parametrize("key", ["data", "stringData"])
def test_the_values_of_a_secret_never_enter_a_release(key: str) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db"},
        key: {"a": "hunter2"},
    }
    with pytest.raises(ConfigurationError) as error:
        own.objects([Written(secret, "k8s/db.yaml")])
    assert "k8s/db.yaml" in str(error.value)
    assert "the values of Secret db would be in the ledger" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_secret_without_values_and_one_that_is_sealed_are_taken() -> None:
    token = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "t"}, "type": "x"}
    sealed = {
        "apiVersion": "bitnami.com/v1alpha1",
        "kind": "SealedSecret",
        "metadata": {"name": "s"},
        "spec": {"encryptedData": {"a": "AgB"}},
    }
    assert own.objects([Written(token, "a"), Written(sealed, "b")]) == (token, sealed)


def test_variables_that_are_written_out_are_listed() -> None:
    env = [
        {"name": "TOKEN", "value": "x"},
        {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
    ]
    pod = {"template": {"spec": {"containers": [{"name": "app", "image": "a", "env": env}]}}}
    found = list(own.variables([made("Deployment", spec=pod)]))
    assert found == [("deployment.web app", "TOKEN", "x")]
