"""Own manifests by the tools that teams have: kubectl's reading of YAML, kustomize, helm."""

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from shipit.config import source
from shipit.config.document import parse_manifests, plain
from shipit.errors import ConfigurationError
from shipit.model.pipeline import (
    Environment,
    Gates,
    KubernetesTarget,
    SourceFiles,
    Strategy,
    TargetSettings,
)

_BESIDE = Path(sysconfig.get_path("scripts")) / "kubectl"
KUBECTLS = [found for name in ("kubectl", str(_BESIDE)) if (found := shutil.which(name))]
HELM = shutil.which("helm") or ""

SCALARS = (
    *("0644", "-010", "0o644", "0x1F", "0b101", "1_000", "0890", "08", "+1", "0_7", "010_0"),
    *("yes", "Yes", "YES", "yES", "Off", "on", "y", "N", "true", "True", "tRUE", "null", "~"),
    *("1.5", ".5", "1.", "1e3", "1_0.5", "1e400", "-1.5e-3", "100m", "12:30", "2024-01-01"),
    *("2001-12-14t21:59:43.10-05:00", "_1", "0b", "1.2.3", "'yes'", '"0644"', "5Gi", "0x", "+"),
)


@pytest.mark.skipif(not KUBECTLS, reason="no kubectl: `scripts/ground --tests` installs it")
@pytest.mark.parametrize("kubectl", KUBECTLS)
def test_scalars_are_what_kubectl_makes_of_them(kubectl: str, tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
    file.write_text(head + "".join(f"  k{n}: {text}\n" for n, text in enumerate(SCALARS)))
    argv = [kubectl, "label", "--local", "-f", str(file), "a=b", "-o", "json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    theirs: dict[str, Any] = json.loads(done.stdout)["data"]
    (node,) = parse_manifests(file.read_text(), "map.yaml")
    ours = plain(node)["data"]
    told = [
        (text, ours[f"k{n}"], theirs[f"k{n}"])
        for n, text in enumerate(SCALARS)
        if json.dumps(ours[f"k{n}"]) != json.dumps(theirs[f"k{n}"])
    ]
    assert told == []


def environment(**settings: Any) -> Environment:
    return Environment(
        name="staging",
        after=None,
        targets={"default": TargetSettings(kubernetes=KubernetesTarget(namespace="shop"))},
        registry="",
        gates=Gates(),
        strategy=Strategy(),
        verify=(),
        source=SourceFiles(**settings),
        stack={},
        deadline="5m",
    )


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: web}]}
"""
OVERLAY = """\
resources: [../../base]
namePrefix: staging-
patches:
- patch: '[{"op": "replace", "path": "/spec/replicas", "value": 3}]'
  target: {kind: Deployment}
configMapGenerator:
- name: settings
  literals: [LEVEL=debug]
"""


@pytest.fixture
def kustomization(tmp_path: Path) -> Path:
    for name, text in {
        "k8s/base/web.yaml": DEPLOYMENT,
        "k8s/base/kustomization.yaml": "resources: [web.yaml]\n",
        "k8s/overlays/staging/kustomization.yaml": OVERLAY,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.skipif(not KUBECTLS, reason="no kubectl: `scripts/ground --tests` installs it")
def test_an_overlay_is_what_kustomize_makes_of_it(kustomization: Path) -> None:
    found = source.read(kustomization, environment(kustomize="k8s/overlays/staging"), "shop")
    by_kind = {one.body["kind"]: one.body for one in found}
    assert set(by_kind) == {"ConfigMap", "Deployment"}
    assert by_kind["Deployment"]["metadata"]["name"] == "staging-web"
    assert by_kind["Deployment"]["spec"]["replicas"] == 3
    assert by_kind["ConfigMap"]["data"] == {"LEVEL": "debug"}


@pytest.mark.skipif(not KUBECTLS, reason="no kubectl: `scripts/ground --tests` installs it")
def test_a_mistake_is_told_in_kustomizes_own_words(kustomization: Path) -> None:
    (kustomization / "k8s" / "base" / "web.yaml").unlink()
    with pytest.raises(ConfigurationError) as error:
        source.read(kustomization, environment(kustomize="k8s/overlays/staging"), "shop")
    assert "environments.staging.source.kustomize: `" in error.value.what
    assert "web.yaml" in error.value.why
    assert str(kustomization) not in error.value.why


@pytest.mark.skipif(not HELM, reason="no helm: https://helm.sh/docs/intro/install")
def test_a_chart_is_what_helm_makes_of_it(tmp_path: Path) -> None:
    template = DEPLOYMENT.replace("replicas: 1", "replicas: {{ .Values.count }}")
    for name, text in {
        "chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
        "chart/values.yaml": "count: 1\n",
        "chart/templates/web.yaml": template.replace("{name: web}", "{name: {{ .Release.Name }}}"),
        "staging.yaml": "count: 4\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (one,) = source.read(tmp_path, environment(helm="chart", values=("staging.yaml",)), "shop")
    assert (one.body["metadata"]["name"], one.body["spec"]["replicas"]) == ("shop", 4)
