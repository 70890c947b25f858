"""The Role, and what is missing from what a cluster grants."""

from typing import Any

import pytest

from shipit.targets.kubernetes import rbac
from shipit.targets.kubernetes.rbac import Rule


def line(verbs: str, groups: str, resources: str, **more: Any) -> dict[str, Any]:
    return {
        "verbs": verbs.split(),
        "apiGroups": [g if g != "core" else "" for g in groups.split()],
        "resources": resources.split(),
        **more,
    }


def test_only_what_the_release_has() -> None:
    """An Ingress that nobody deploys needs no permission."""
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"}
    without = {(r.group, r.resource) for r in rbac.rules([])}
    with_one = {(r.group, r.resource) for r in rbac.rules([ingress])}
    assert with_one - without == {("networking.k8s.io", "ingresses")}
    assert with_one < {(r.group, r.resource) for r in rbac.rules(None)}


def test_no_secret_is_read_and_nothing_is_a_star() -> None:
    for rule in rbac.rules(None):
        assert rule.resource != "secrets"
        assert "*" not in (rule.group, rule.resource, *rule.verbs)


def test_a_kind_that_is_not_ours() -> None:
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    assert ("argoproj.io", "rollouts") in {(r.group, r.resource) for r in rbac.rules([rollout])}


@pytest.mark.parametrize(
    ("kind", "plural"),
    [("Ingress", "ingresses"), ("NetworkPolicy", "networkpolicies"), ("Service", "services")],
)
def test_plurals(kind: str, plural: str) -> None:
    assert rbac.plural(kind) == plural


def test_the_role_and_its_binding() -> None:
    rules = [Rule("apps", "deployments", ("get",)), Rule("apps", "replicasets", ("get",))]
    role = rbac.role("shop-qa-deployer", "shop", rules)
    assert role["rules"] == [
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": ["get"]}
    ]
    subject = rbac.subject_of("Group", "deployers", "shop")
    binding = rbac.binding("shop-qa-deployer", "shop", subject)
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "deployers"}
    ]


def test_a_service_account_is_of_a_namespace() -> None:
    assert rbac.subject_of("ServiceAccount", "ci", "shop")["namespace"] == "shop"
    assert rbac.subject_of("ServiceAccount", "build/ci", "shop") == {
        "kind": "ServiceAccount",
        "name": "ci",
        "namespace": "build",
    }


WANTED = [Rule("", "pods", ("list", "watch")), Rule("", "pods/log", ("get",))]


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ([], WANTED),
        ([line("*", "*", "*")], []),
        ([line("list watch", "core", "pods"), line("get", "core", "pods/log")], []),
        ([line("list", "core", "pods pods/log")], [Rule("", "pods", ("watch",)), WANTED[1]]),
        ([line("list watch", "core", "pods"), line("get", "core", "*/log")], []),
        ([line("list watch get", "apps", "*")], WANTED),
        ([line("list watch", "core", "pods", resourceNames=["web"])], WANTED),
    ],
)
def test_what_is_not_granted(granted: list[dict[str, Any]], missing: list[Rule]) -> None:
    assert list(rbac.lacking(WANTED, granted)) == missing
