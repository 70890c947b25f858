"""What has to be installed in a cluster: kinds, classes, and Gateways that let routes in."""

from typing import Any

import pytest

from tests.fakes.namespace import NAME, Namespace
from tests.unit.targets.kubernetes.test_check import INGRESS, deployment, found, of, shop

__all__ = ["shop"]


# Classes


def classed(name: str, *, default: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": {default: "true"} if default else {}}}


def claim(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": spec,
    }


def test_a_storage_class_that_is_not_there(shop: Namespace) -> None:
    shop.put(classed("standard"), "storageclasses")
    assert of(found(shop, claim(storageClassName="fast")), "storage") == [
        ("error", "there is no storage class fast for data (there are: standard)")
    ]
    assert of(found(shop, claim(storageClassName="standard")), "storage") == [
        ("ok", "data: standard")
    ]


def test_no_default_storage_class(shop: Namespace) -> None:
    shop.put(classed("standard"), "storageclasses")
    [(level, what)] = of(found(shop, claim()), "storage")
    assert level == "error"
    assert "the cluster has no default one (it has: standard)" in what
    shop.put(
        classed("standard", default="storageclass.kubernetes.io/is-default-class"),
        "storageclasses",
    )
    assert of(found(shop, claim()), "storage") == [("ok", "data: standard")]


def test_a_claim_that_has_its_volume_needs_no_class(shop: Namespace) -> None:
    """One that an administrator made, say: shipit check would be red for ever."""
    shop.put({**claim(), "status": {"phase": "Pending"}}, "persistentvolumeclaims")
    assert of(found(shop, claim()), "storage")[0][0] == "error"
    shop.put({**claim(), "status": {"phase": "Bound"}}, "persistentvolumeclaims")
    assert of(found(shop, claim()), "storage") == [("ok", "data has its volume")]


def test_a_statefulsets_own_claims(shop: Namespace) -> None:
    one = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {"volumeClaimTemplates": [claim(storageClassName="fast")]},
    }
    assert of(found(shop, one), "storage")[0][0] == "error"


def test_ingress_classes(shop: Namespace) -> None:
    one = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"ingressClassName": "nginx"},
    }
    assert of(found(shop, one), "ingress") == [
        ("error", "there is no ingress class nginx for web (there are: none)")
    ]
    shop.put(classed("nginx"), "ingressclasses")
    assert of(found(shop, one), "ingress") == [("ok", "web: nginx")]


def test_a_gateway_that_is_not_there(shop: Namespace) -> None:
    kinds = [{"name": "gateways", "kind": "Gateway", "namespaced": True}]
    shop.pages["/apis/gateway.networking.k8s.io/v1"] = {"resources": kinds}
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web"},
        "spec": {"parentRefs": [{"name": "public"}]},
    }
    assert of(found(shop, route), "gateway") == [
        ("error", "there is no Gateway public in shop for web")
    ]
    shop.put({"metadata": {"name": "public"}}, "gateways")
    assert of(found(shop, route), "gateway") == [("ok", "web: shop/public")]
    kinds.clear()
    [(level, what)] = of(found(shop, route), "gateway")
    assert level == "error"
    assert "no kind Gateway" in what


# What is installed


ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "web"},
    "spec": {"parentRefs": [{"name": "mesh", "kind": "Service"}]},
}


def test_a_kind_that_the_cluster_lacks(shop: Namespace) -> None:
    [(level, what)] = of(found(shop, ROUTE), "kinds")
    assert level == "error"
    assert what == (
        "the cluster has no kind HTTPRoute in gateway.networking.k8s.io/v1,"
        " and there would be HTTPRoute/web"
    )
    [step] = [f.next_step for f in found(shop, ROUTE) if f.subject == "kinds"]
    assert "install the Gateway API" in step
    assert "`ingress`" in step


def test_a_kind_of_another_version_names_those_that_there_are(shop: Namespace) -> None:
    beta = "gateway.networking.k8s.io/v1beta1"
    shop.pages["/apis/gateway.networking.k8s.io"] = {"versions": [{"groupVersion": beta}]}
    [(_, what)] = of(found(shop, ROUTE), "kinds")
    assert what.endswith(f"(it has {beta})")


def test_a_kind_that_is_there_and_one_that_comes_along(shop: Namespace) -> None:
    resource = {"name": "httproutes", "kind": "HTTPRoute", "namespaced": True}
    shop.pages["/apis/gateway.networking.k8s.io/v1"] = {"resources": [resource]}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "fleets.acme.example"},
        "spec": {"group": "acme.example", "names": {"kind": "Fleet", "plural": "fleets"}},
    }
    fleet = {"apiVersion": "acme.example/v1", "kind": "Fleet", "metadata": {"name": "x"}}
    assert of(found(shop, ROUTE, definition, fleet), "kinds") == [
        ("ok", "Fleet of acme.example/v1 comes with this deployment"),
        ("ok", "HTTPRoute of gateway.networking.k8s.io/v1"),
    ]
    assert of(found(shop, fleet), "kinds")[0][0] == "error"


def test_what_every_cluster_has_is_not_asked_for(shop: Namespace) -> None:
    assert not of(found(shop, deployment(), INGRESS), "kinds")


def test_a_meshs_route_has_no_gateway(shop: Namespace) -> None:
    assert not of(found(shop, ROUTE), "gateway")


# Gateways


def gateway(shop: Namespace, *listeners: dict[str, Any], namespace: str = NAME) -> dict[str, Any]:
    """A Gateway that is there, and a route to it."""
    kinds = [
        {"name": "gateways", "kind": "Gateway", "namespaced": True},
        {"name": "httproutes", "kind": "HTTPRoute", "namespaced": True},
    ]
    shop.pages["/apis/gateway.networking.k8s.io/v1"] = {"resources": kinds}
    shop.put({"metadata": {"name": "public"}, "spec": {"listeners": listeners}}, "gateways")
    parent = {"name": "public", "namespace": namespace}
    return {**ROUTE, "spec": {"parentRefs": [parent]}}


def listener(name: str = "http", **namespaces: Any) -> dict[str, Any]:
    return {"name": name, "allowedRoutes": {"namespaces": namespaces}}


SELECTED: dict[str, Any] = {"from": "Selector", "selector": {"matchLabels": {"team": "shop"}}}


@pytest.mark.parametrize(
    ("namespace", "listeners", "level"),
    [
        (NAME, [{"name": "http"}], "ok"),
        ("infra", [{"name": "http"}], "error"),  # `Same`, where nothing is said
        ("infra", [listener(**{"from": "All"})], "ok"),
        ("infra", [listener(), listener("https", **{"from": "All"})], "ok"),
        (NAME, [listener(**{"from": "None"})], "error"),
        ("infra", [listener(**SELECTED)], "ok"),
    ],
)
def test_whether_a_gateway_lets_routes_in(
    shop: Namespace, namespace: str, listeners: list[dict[str, Any]], level: str
) -> None:
    shop.put({"metadata": {"name": NAME, "labels": {"team": "shop"}}}, "namespaces")
    route = gateway(shop, *listeners, namespace=namespace)
    [(found_level, what)] = of(found(shop, route), "gateway")
    assert found_level == level
    assert level == "ok" or what == (
        f"the Gateway {namespace}/public takes no routes of shop, and web is there"
    )


def test_a_gateway_that_goes_by_labels(shop: Namespace) -> None:
    route = gateway(shop, listener(**SELECTED), namespace="infra")
    assert of(found(shop, route), "gateway")[0][0] == "error"
    shop.refusals[f"GET namespaces/{NAME}"] = (403, "namespaces is forbidden")
    [(level, what)] = of(found(shop, route), "gateway")
    assert (level, "not verified" in what) == ("warning", True)
    shop.refusals.clear()
    wider: dict[str, Any] = {"from": "Selector", "selector": {"matchExpressions": [{"key": "x"}]}}
    route = gateway(shop, listener(**wider), namespace="infra")
    assert of(found(shop, route), "gateway")[0][0] == "warning"


def test_a_listener_that_is_not_there(shop: Namespace) -> None:
    route = gateway(shop, listener("http"))
    route["spec"]["parentRefs"][0]["sectionName"] = "https"
    assert of(found(shop, route), "gateway") == [
        ("error", "the Gateway shop/public has no listener https for web (it has: http)")
    ]
