"""What kustomize and helm write, from the checkout to the cluster: by digest, and proven."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.registry.client import Client
from tests.fakes.cluster.checkout import Checkout
from tests.fakes.command import commit_all
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_images import push
from tests.integration.targets.kubernetes.conftest import Place

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
Json = dict[str, Any]

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, labels: &labels {app.kubernetes.io/name: front}}
spec:
  replicas: 1
  selector: {matchLabels: *labels}
  template:
    metadata: {labels: *labels}
    spec:
      containers:
        - name: app
          image: web
          envFrom: [{configMapRef: {name: settings}}]
"""
BASE = "resources: [front.yaml]\n"
OVERLAY = """\
resources: [../../base]
namePrefix: dev-
labels: [{pairs: {team: shop}}]
images: [{name: web, newName: REGISTRY/web, newTag: "1"}]
replicas: [{name: front, count: 2}]
configMapGenerator: [{name: settings, literals: [LEVEL=debug]}]
"""
# As `helm create` writes them.
TEMPLATE = """\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .Release.Name }}-front
  labels: {helm.sh/chart: front-0.1.0, app.kubernetes.io/managed-by: Helm}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-front
  namespace: {{ .Release.Namespace }}
  labels:
    helm.sh/chart: front-0.1.0
    app.kubernetes.io/name: front
    app.kubernetes.io/instance: {{ .Release.Name }}
    app.kubernetes.io/managed-by: Helm
spec:
  selector:
    matchLabels: {app.kubernetes.io/name: front, app.kubernetes.io/instance: {{ .Release.Name }}}
  template:
    metadata:
      labels: {app.kubernetes.io/name: front, app.kubernetes.io/instance: {{ .Release.Name }}}
    spec:
      serviceAccountName: {{ .Release.Name }}-front
      containers: [{name: front, image: "REGISTRY/web:1"}]
"""
# What `helm template NAME CHART --namespace SPACE` makes of that.
HELM = """\
#!/bin/sh
exec sed -e "s/{{ .Release.Name }}/$2/g" -e "s/{{ .Release.Namespace }}/$5/g" "$3"/templates/*.yaml
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[FakeRegistry]:
    with FakeRegistry(tmp_path / "registry") as made:
        yield made


@pytest.fixture
def app(place: Place, registry: FakeRegistry, tmp_path: Path) -> Checkout:
    """A folder without a service to build: its own files, and an image that is there."""
    made = Checkout(tmp_path, place.kubeconfig, place.namespace)
    made.write("compose.yaml", f"services: {{web: {{image: {registry.address}/web:1}}}}\n")
    made.write(".gitignore", ".shipit/\n")
    pushed(registry, "one")
    return made


def pushed(registry: FakeRegistry, text: str) -> str:
    """The image that the tag 1 stands for from now on."""
    with Client() as client:
        digest = push(client, f"{registry.address}/web", text, tag="1").digest
    return f"{registry.address}/web@{digest}"


def sourced(app: Checkout, source: str) -> None:
    text = (app.folder / "shipit.yaml").read_text()
    app.write("shipit.yaml", f"{text}    source: {source}\n")


def built(app: Checkout) -> None:
    commit_all(app.folder)
    app.shipit.ok("build")


def live(place: Place, kind: str, name: str) -> Json:
    found: Json = json.loads(place.kubectl("get", kind, name, "-o", "json"))
    return found


def images(one: Json) -> list[str]:
    return [str(c["image"]) for c in one["spec"]["template"]["spec"]["containers"]]


def settings(place: Place) -> list[str]:
    return [name for name in place.names("configmap") if "settings" in name]


def test_a_kustomization_with_its_generated_settings(
    place: Place, app: Checkout, registry: FakeRegistry
) -> None:
    """The name of generated settings has a hash: a change makes new ones, which the new pods need,
    while the old pods need the old."""
    app.write("k8s/base/front.yaml", DEPLOYMENT)
    app.write("k8s/base/kustomization.yaml", BASE)
    overlay = OVERLAY.replace("REGISTRY", registry.address)
    app.write("k8s/overlays/dev/kustomization.yaml", overlay)
    sourced(app, "{kustomize: k8s/overlays/dev}")
    first = pushed(registry, "one")
    built(app)
    result = app.shipit.ok("deploy", "--env", "dev", "--json").result
    assert result["proven"] == {"default": {"dev-front": first.partition("@")[2]}}
    deployment = live(place, "deployment", "dev-front")
    assert images(deployment) == [first]
    assert deployment["spec"]["replicas"] == 2
    assert deployment["metadata"]["labels"]["team"] == "shop"
    [before] = settings(place)
    assert app.shipit.ok("deploy", "--env", "dev", "--json").result["changed"] is False

    second = pushed(registry, "two")
    app.write("k8s/overlays/dev/kustomization.yaml", overlay.replace("debug", "info"))
    built(app)
    app.shipit.ok("deploy", "--env", "dev")
    assert images(live(place, "deployment", "dev-front")) == [second]
    [after] = settings(place)
    assert after != before
    app.shipit.ok("rollback", "--env", "dev")
    assert images(live(place, "deployment", "dev-front")) == [first]
    assert settings(place) == [before]


def test_a_chart_as_helm_renders_it(
    place: Place,
    app: Checkout,
    registry: FakeRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = tmp_path / "bin" / "helm"
    program.parent.mkdir()
    program.write_text(HELM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    app.write("chart/Chart.yaml", "apiVersion: v2\nname: front\nversion: 0.1.0\n")
    app.write("chart/templates/front.yaml", TEMPLATE.replace("REGISTRY", registry.address))
    sourced(app, "{helm: chart}")
    first = pushed(registry, "one")
    built(app)
    result = app.shipit.ok("deploy", "--env", "dev", "--json").result
    assert result["proven"] == {"default": {"shop-front": first.partition("@")[2]}}
    deployment = live(place, "deployment", "shop-front")
    assert images(deployment) == [first]
    assert deployment["spec"]["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "front",
        "app.kubernetes.io/instance": "shop",
    }
    assert "serviceaccount/shop-front" in place.names("serviceaccount")
    assert app.shipit.ok("deploy", "--env", "dev", "--json").result["changed"] is False
    removed = app.shipit.ok("rm", "--env", "dev", "--yes").out
    assert "Deployment/shop-front" in removed
    assert place.names("deployment") == []
