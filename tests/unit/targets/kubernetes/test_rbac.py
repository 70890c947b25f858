"""The Role, and what is missing from what a cluster grants."""

from typing import Any

import pytest

from shipit.targets.kubernetes import applyset, grants, rbac, resources
from shipit.targets.kubernetes.grants import There
from shipit.targets.kubernetes.kinds import Kinds
from shipit.targets.kubernetes.rbac import Rule

HOME = "shop"
NOTHING = There()


def line(verbs: str, groups: str, resources: str, **more: Any) -> dict[str, Any]:
    return {
        "verbs": verbs.split(),
        "apiGroups": [g if g != "core" else "" for g in groups.split()],
        "resources": resources.split(),
        **more,
    }


def needed(*objects: dict[str, Any], there: There = NOTHING) -> dict[str, list[Rule]]:
    return grants.needed(objects, there, HOME, Kinds(None, objects).resource)


def kinds(rules: list[Rule]) -> set[tuple[str, str]]:
    return {(rule.group, rule.resource) for rule in rules}


def made(api_version: str, kind: str, namespace: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"name": "x", **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


INGRESS = made("networking.k8s.io/v1", "Ingress")
DEPLOYMENT = made("apps/v1", "Deployment")
EVERYTHING = grants.needed(None, There(), HOME, Kinds(None, ()).resource)


def verbs(rules: list[Rule], resource: str) -> str:
    return " ".join(next((r.verbs for r in rules if r.resource == resource), ()))


def test_only_what_the_release_has() -> None:
    """An Ingress that nobody deploys needs no permission."""
    without, with_one = kinds(needed()[HOME]), kinds(needed(INGRESS)[HOME])
    assert with_one - without == {("networking.k8s.io", "ingresses")}
    assert EVERYTHING.keys() == {HOME}
    assert with_one < kinds(EVERYTHING[HOME])


def test_no_secret_is_read_and_nothing_is_a_star() -> None:
    for rule in EVERYTHING[HOME]:
        assert rule.resource != "secrets"
        assert "*" not in (rule.group, rule.resource, *rule.verbs)


def test_what_quotas_and_limits_are_looked_at_with() -> None:
    rules = needed()[HOME]
    assert (verbs(rules, "resourcequotas"), verbs(rules, "limitranges")) == ("list", "list")


def test_a_kind_that_is_not_ours() -> None:
    rollout = made("argoproj.io/v1alpha1", "Rollout")
    assert ("argoproj.io", "rollouts") in kinds(needed(rollout)[HOME])


def test_what_is_there_and_goes_is_listed_and_deleted() -> None:
    """The kinds of the live ApplySet count, and an earlier release's do with all verbs."""
    there = There(frozenset({("networking.k8s.io", "Ingress")}))
    assert verbs(needed(DEPLOYMENT, there=there)[HOME], "ingresses") == "delete list"
    rules = needed(DEPLOYMENT, INGRESS, there=there)[HOME]
    assert verbs(rules, "ingresses") == "create delete list patch"


def test_a_parent_names_kinds_and_namespaces() -> None:
    parent = applyset.parent("shop-qa", HOME, ["Ingress.networking.k8s.io", "Service"], ["edge"])
    there = There.of(parent)
    assert there.kinds == {("networking.k8s.io", "Ingress"), ("", "Service")}
    assert there.spaces == {"edge"}
    assert There.of(None) == There()


def test_other_namespaces_and_the_whole_cluster_have_their_own_rules() -> None:
    """Every kind is looked for in each namespace; only what is there may be changed there."""
    edge = made("gateway.networking.k8s.io/v1", "HTTPRoute", "edge")
    wanted = needed(DEPLOYMENT, edge, made("rbac.authorization.k8s.io/v1", "ClusterRole"))
    assert list(wanted) == [HOME, "edge", ""]
    assert verbs(wanted["edge"], "httproutes") == "create delete list patch"
    assert verbs(wanted["edge"], "deployments") == "list"
    assert verbs(wanted[HOME], "httproutes") == "list"
    assert kinds(wanted["edge"]).isdisjoint({("", "pods"), ("batch", "jobs")})
    assert [(r.resource, " ".join(r.verbs)) for r in wanted[""]] == [
        ("clusterroles", "create delete list patch")
    ]


def test_a_kind_is_what_the_definition_beside_it_says() -> None:
    names = {"kind": "Fleet", "plural": "fleet"}
    definition = made(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        group="acme.example",
        names=names,
        scope="Cluster",
    )
    wanted = needed(definition, made("acme.example/v1", "Fleet"))
    assert ("acme.example", "fleet") in kinds(wanted[""])
    assert verbs(wanted[""], "customresourcedefinitions") == "create list patch"


def test_what_is_never_pruned_is_never_deleted() -> None:
    """But claims of its own namespace, by `shipit rm --volumes`."""
    claims = [made("v1", "PersistentVolumeClaim", space) for space in ("", "edge")]
    wanted = needed(*claims, made("v1", "Namespace"))
    assert verbs(wanted[""], "namespaces") == "create list patch"
    assert verbs(wanted["edge"], "persistentvolumeclaims") == "create list patch"
    assert verbs(wanted[HOME], "persistentvolumeclaims") == "create delete list patch"


def test_roles_for_each_place_with_their_bindings() -> None:
    wanted = {HOME: [Rule("", "a", ("get",))], "edge": [Rule("", "b", ("get",))], "": []}
    found = list(grants.objects(wanted, HOME, "shop-qa", ("Group", "deployers")))
    assert [
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in found
    ] == [
        ("Role", HOME, "shop-qa-deployer"),
        ("RoleBinding", HOME, "shop-qa-deployer"),
        ("Role", "edge", "shop-shop-qa-deployer"),
        ("RoleBinding", "edge", "shop-shop-qa-deployer"),
        ("ClusterRole", None, "shop-shop-qa-deployer"),
        ("ClusterRoleBinding", None, "shop-shop-qa-deployer"),
    ]
    assert found[5]["roleRef"]["kind"] == "ClusterRole"


def test_rights_that_are_given_take_more_than_a_role_says() -> None:
    [said] = grants.beyond([DEPLOYMENT, made("rbac.authorization.k8s.io/v1", "RoleBinding")])
    assert said.startswith("RoleBinding/x: the API server lets nobody give rights")
    assert not list(grants.beyond([DEPLOYMENT]))


@pytest.mark.parametrize(
    ("kind", "plural"),
    [("Ingress", "ingresses"), ("NetworkPolicy", "networkpolicies"), ("Service", "services")],
)
def test_plurals(kind: str, plural: str) -> None:
    assert resources.plural(kind) == plural


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
