"""`shipit rbac` as a user runs it: it is printed where the cluster cannot be reached, too."""

import json
from pathlib import Path

import pytest
import yaml

from tests.fakes.command import Shipit, refused

KUBECONFIG = {
    "current-context": "prod",
    "clusters": [{"name": "prod", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "ann", "user": {"token": "x"}}],
    "contexts": [
        {"name": "prod", "context": {"cluster": "prod", "user": "ann", "namespace": "shop"}}
    ],
}
PIPELINE = """\
app: shop
environments:
  dev: {target: {docker: {}}}
  production: {after: dev, target: {kubernetes: {kubeconfig: kube.yaml}}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shipit:
    (tmp_path / "compose.yaml").write_text("services: {web: {build: .}}\n")
    (tmp_path / "shipit.yaml").write_text(PIPELINE)
    (tmp_path / "kube.yaml").write_text(json.dumps(KUBECONFIG))
    return Shipit(tmp_path)


def test_a_role_for_kubectl(shop: Shipit) -> None:
    ran = shop("rbac", "--env", "production")
    assert ran.code == 0, ran.told()
    assert "there is no release yet" in ran.err
    assert "what is in the cluster already is not known" in ran.err
    [role] = yaml.safe_load_all(ran.out)
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "shop")
    granted = {r for rule in role["rules"] for r in rule["resources"]}
    assert {"deployments", "services", "ingresses", "jobs", "pods/exec"} <= granted
    assert "secrets" not in granted


@pytest.mark.parametrize(
    ("option", "name", "subject"),
    [
        ("--group", "deployers", {"kind": "Group", "name": "deployers"}),
        ("--user", "ann@acme.example", {"kind": "User", "name": "ann@acme.example"}),
        ("--service-account", "ci/runner", {"kind": "ServiceAccount", "namespace": "ci"}),
    ],
)
def test_bound_to_somebody(shop: Shipit, option: str, name: str, subject: dict[str, str]) -> None:
    ran = shop("rbac", "--env", "production", option, name)
    role, binding = yaml.safe_load_all(ran.out)
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert subject.items() <= binding["subjects"][0].items()


def test_as_json(shop: Shipit) -> None:
    ran = shop("rbac", "--env", "production", "--group", "deployers", "--json")
    assert [one["kind"] for one in ran.json] == ["Role", "RoleBinding"]


def test_two_subjects_are_one_too_many(shop: Shipit) -> None:
    ran = shop("rbac", "--env", "production", "--group", "a", "--user", "b")
    refused(ran, "one at a time")


def test_a_target_that_is_no_cluster(shop: Shipit) -> None:
    refused(shop("rbac", "--env", "dev"), "cannot use a Role")
