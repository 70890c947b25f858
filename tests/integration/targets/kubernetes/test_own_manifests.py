"""A team's own manifests on the real control plane: applied, unchanged the second time, proven."""

from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from shipit.config.source.manifests import objects
from shipit.model import application, source
from shipit.model.deployment import Action, Desired
from shipit.model.progress import Succeeded
from shipit.targets.kubernetes import own
from tests.integration.targets.kubernetes.conftest import IMAGES, Place

pytestmark = pytest.mark.cluster

Json = dict[str, Any]

# The recommended labels in selectors, as charts have them; a mode in octal; a quantity to be
# rewritten by the API server; a workload without replicas of its own.
MANIFESTS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: front-settings}
data: {LEVEL: info}
---
apiVersion: v1
kind: Service
metadata: {name: front, labels: {app.kubernetes.io/name: front}}
spec:
  selector: {app.kubernetes.io/name: front}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, labels: {app.kubernetes.io/name: front}}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: front}}
  template:
    metadata: {labels: {app.kubernetes.io/name: front}}
    spec:
      containers:
        - name: app
          image: web:latest
          resources: {requests: {cpu: 1000m, memory: 128Mi}}
          envFrom: [{configMapRef: {name: front-settings}}]
          volumeMounts: [{name: settings, mountPath: /settings}]
      volumes: [{name: settings, configMap: {name: front-settings, defaultMode: 0440}}]
"""


def desired(place: Place, text: str, version: str) -> Desired:
    """As delivery makes it."""
    found = own.objects(list(objects(text, "k8s.yaml")))
    image = IMAGES[version]
    pinned = source.replaced(found, own.images(found), {"web:latest": image.reference})
    project = source.project({"services": {}}, own.services(pinned))
    return replace(
        place.desired("web", version=version),
        project=project,
        images=dict.fromkeys(project["services"], image),
        services=application.long_running(project),
        source=pinned,
    )


def live(place: Place, kind: str, name: str) -> Json:
    found: Json = yaml.safe_load(place.kubectl("get", kind, name, "-o", "json"))
    return found


def test_they_are_applied_as_they_are_and_proven(place: Place) -> None:
    plan, _, outcome = place.deploy(desired(place, MANIFESTS, "1"))
    assert outcome == Succeeded({"front": IMAGES["1"].digest})
    assert [c.service for c in plan.changes if c.image] == ["front"]
    deployment = live(place, "deployment", "front")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == IMAGES["1"].reference
    assert pod["volumes"][0]["configMap"]["defaultMode"] == 0o440
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector == {"app.kubernetes.io/name": "front"}

    plan, _, outcome = place.deploy(desired(place, MANIFESTS, "1"))
    assert not plan.changed, plan.changes
    assert isinstance(outcome, Succeeded)


def test_a_new_digest_and_what_is_gone_from_the_files(place: Place) -> None:
    place.deploy(desired(place, MANIFESTS, "1"))
    extra = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {A: b}\n"
    place.deploy(desired(place, MANIFESTS + extra, "1"))
    assert "configmap/extra" in place.names("configmap")

    plan, _, outcome = place.deploy(desired(place, MANIFESTS, "2"))
    assert outcome == Succeeded({"front": IMAGES["2"].digest})
    assert Action.UPDATE in {c.action for c in plan.changes if c.service == "front"}
    assert "configmap/extra" not in place.names("configmap")
    assert place.target().observe().services["front"].images == (IMAGES["2"].digest,)
