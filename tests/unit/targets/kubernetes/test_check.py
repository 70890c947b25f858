"""What `shipit check` says of a cluster before anything changes."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipit.model.deployment import Desired, Finding
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import KubernetesTarget
from shipit.targets.kubernetes import check, grants, permissions, quotas, rbac, resources
from shipit.targets.kubernetes.grants import There
from shipit.targets.kubernetes.look import Look
from shipit.targets.kubernetes.resources import Resource
from shipit.targets.kubernetes.target import KubernetesCluster
from tests.fakes.namespace import NAME, Namespace

IMAGE = f"docker.io/library/web@sha256:{'a' * 64}"
DIGEST = Digest(f"sha256:{'a' * 64}")
RULES = "selfsubjectrulesreviews"
ACCESS = "selfsubjectaccessreviews"
SELECTOR = "shipit.dev/instance=shop-qa"
NOTHING = There()


@pytest.fixture
def shop() -> Iterator[Namespace]:
    """An API server that grants all, with a namespace that is there."""
    with Namespace() as namespace:
        namespace.put({"metadata": {"name": NAME}}, "namespaces")
        grant(namespace, {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]})
        namespace.answers[ACCESS] = {"status": {"allowed": True}}
        yield namespace


def grant(namespace: Namespace, *rules: dict[str, Any], incomplete: bool = False) -> None:
    status = {"resourceRules": list(rules), "incomplete": incomplete}
    namespace.answers[RULES] = {"status": status}


def desired(repository: str = "registry.example/shop/web") -> Desired:
    return Desired(
        app="shop",
        environment="qa",
        release=DIGEST,
        release_id="1",
        project={"services": {"web": {}}},
        images={"web": Image(repository, DIGEST)},
        services=("web",),
    )


def rules(*objects: dict[str, Any]) -> list[rbac.Rule]:
    return grants.needed(objects, There(), NAME, guessed)[NAME]


def guessed(group: str, kind: str) -> Resource:
    return resources.of_kind(group, kind) or Resource(resources.plural(kind))


def found(shop: Namespace, *objects: dict[str, Any], **more: Any) -> list[Finding]:
    look = Look(shop.cluster(), "kubernetes", SELECTOR, desired(**more), objects)
    return list(check.everything(look))


def of(findings: list[Finding], subject: str) -> list[tuple[str, str]]:
    return [(f.level, f.what) for f in findings if f.subject == subject]


def deployment(replicas: int = 1, **resources: Any) -> dict[str, Any]:
    container = {"name": "web", "image": IMAGE, "resources": resources}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [container]}}},
    }


INGRESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "web"},
    "spec": {"ingressClassName": ""},
}


# The server


@pytest.mark.parametrize(
    ("version", "level"),
    [("v1.33.4-gke.100", "ok"), ("v1.22.0", "warning"), ("v1.99.0+", "warning"), ("?", "ok")],
)
def test_the_version_is_told(shop: Namespace, version: str, level: str) -> None:
    shop.pages["/version"] = {"gitVersion": version}
    finding = check.reach(shop.cluster())
    assert finding.level == level
    assert finding.what == f"the cluster answers: Kubernetes {version.removeprefix('v')}"


def test_nobody_answers(shop: Namespace) -> None:
    shop.refusals["GET "] = (401, "Unauthorized")
    finding = check.reach(shop.cluster())
    assert finding.level == "error"
    assert "does not take our credentials" in finding.what


def test_all_is_well(shop: Namespace) -> None:
    levels = {finding.level for finding in found(shop, deployment())}
    assert levels == {"ok"}


# The namespace


def test_a_namespace_that_is_not_there(shop: Namespace) -> None:
    shop.objects.clear()
    [(level, what)] = of(found(shop), "namespace")
    assert (level, what) == ("error", "there is no namespace shop")


def test_a_namespace_that_may_not_be_looked_at(shop: Namespace) -> None:
    """A Role of one namespace does not reach to the namespace itself."""
    shop.refusals[f"GET namespaces/{NAME}"] = (403, "namespaces is forbidden")
    [(level, what)] = of(found(shop), "namespace")
    assert level == "warning"
    assert "not verified" in what


# Permissions


def test_what_is_not_allowed_is_named(shop: Namespace) -> None:
    given = [
        {"verbs": list(r.verbs), "apiGroups": [r.group], "resources": [r.resource]}
        for r in rules(deployment())
        if r.resource not in ("deployments", "pods/exec")
    ]
    look_only = {"verbs": ["get", "list", "watch"], "apiGroups": ["apps"], "resources": ["*"]}
    grant(shop, *given, look_only)
    assert of(found(shop, deployment()), "permissions") == [
        ("warning", "create, get on pods/exec is not allowed: `shipit exec` does not work"),
        ("error", "create, delete, patch on deployments.apps is not allowed"),
    ]


def test_the_role_that_is_printed_is_enough(shop: Namespace) -> None:
    role = rbac.role("r", NAME, rules(deployment()))
    grant(shop, *role["rules"])
    assert of(found(shop, deployment()), "permissions") == [
        ("ok", "all that a deployment needs in shop")
    ]


def test_a_list_that_is_incomplete_is_asked_about(shop: Namespace) -> None:
    """GKE's IAM and EKS's access policies answer single questions alone."""
    grant(shop, incomplete=True)
    shop.answers[ACCESS] = {"status": {"allowed": True}}
    assert of(found(shop), "permissions") == [("ok", "all that a deployment needs in shop")]
    shop.answers[ACCESS] = {"status": {"allowed": False}}
    missing = of(found(shop), "permissions")
    assert ("error", "list, watch on pods is not allowed") in missing
    assert len(missing) == len(rules())


def look(shop: Namespace, *objects: dict[str, Any], there: There = NOTHING) -> Look:
    return Look(shop.cluster(), "kubernetes", SELECTOR, desired(), objects, there=there)


def test_what_goes_has_to_be_listed_and_deleted(shop: Namespace) -> None:
    """The live ApplySet names an Ingress that the next release does not have."""
    grant(shop, *rbac.role("r", NAME, rules(deployment()))["rules"])
    there = There(frozenset({("networking.k8s.io", "Ingress"), ("apps", "Deployment")}))
    assert of(list(check.everything(look(shop, deployment(), there=there))), "permissions") == [
        ("error", "delete, list on ingresses.networking.k8s.io is not allowed")
    ]


def test_going_back_takes_what_the_earlier_release_had(shop: Namespace) -> None:
    grant(shop, *rbac.role("r", NAME, rules(deployment()))["rules"])
    earlier = {"1a2b3c4": (deployment(), INGRESS), "0f0f0f0": (deployment(),)}
    [finding] = permissions.going_back(look(shop, deployment()), earlier)
    assert (finding.level, finding.what) == (
        "warning",
        (
            "going back to 1a2b3c4 takes create, delete, list, patch on"
            " ingresses.networking.k8s.io, which is not allowed"
        ),
    )
    grant(shop, *rbac.role("r", NAME, rules(deployment(), INGRESS))["rules"])
    assert not list(permissions.going_back(look(shop, deployment()), earlier))


def test_each_namespace_and_the_whole_cluster_are_asked_about(shop: Namespace) -> None:
    """A review of rules is of one namespace; what has none is asked for by itself."""
    elsewhere = {**INGRESS, "metadata": {"name": "web", "namespace": "edge"}}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    objects = (deployment(), elsewhere, {**role, "metadata": {"name": "web"}})
    shop.answers[ACCESS] = {"status": {"allowed": False}}
    assert of(list(check.everything(look(shop, *objects))), "permissions") == [
        (
            "error",
            (
                "create, delete, list, patch on clusterroles.rbac.authorization.k8s.io"
                " is not allowed in the whole cluster"
            ),
        )
    ]
    shop.answers[ACCESS] = {"status": {"allowed": True}}
    assert of(list(check.everything(look(shop, *objects))), "permissions") == [
        ("ok", "all that a deployment needs in shop, edge, the whole cluster")
    ]
    grant(shop, *rbac.role("r", NAME, rules(deployment()))["rules"])
    missing = of(list(check.everything(look(shop, *objects))), "permissions")
    assert (
        "error",
        "create, delete, list, patch on ingresses.networking.k8s.io is not allowed in edge",
    ) in missing


# Quotas


def quota(hard: dict[str, str], used: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "team"}, "spec": spec, "status": {"hard": hard, "used": used}}


def test_what_does_not_fit(shop: Namespace) -> None:
    shop.put(
        quota({"requests.memory": "1Gi", "pods": "10"}, {"requests.memory": "512Mi"}),
        "resourcequotas",
    )
    three = deployment(3, requests={"memory": "256Mi"})
    assert of(found(shop, three), "quotas") == [
        ("error", "team leaves 512Mi of requests.memory, and 768Mi are asked for")
    ]
    two = deployment(2, requests={"memory": "256Mi"})
    assert of(found(shop, two), "quotas") == [("ok", "what is asked for fits")]


def test_what_is_ours_already_is_given_back(shop: Namespace) -> None:
    shop.put(quota({"cpu": "2"}, {"cpu": "2"}), "resourcequotas")
    container = {"name": "web", "resources": {"limits": {"cpu": "1"}}}
    for name in ("web-1", "web-2"):
        labels = {"shipit.dev/instance": "shop-qa"}
        shop.put(
            {"metadata": {"name": name, "labels": labels}, "spec": {"containers": [container]}}
        )
    assert of(found(shop, deployment(2, limits={"cpu": "1"})), "quotas")[0][0] == "ok"
    assert of(found(shop, deployment(3, limits={"cpu": "1"})), "quotas") == [
        ("error", "team leaves 2 of requests.cpu, and 3 are asked for")
    ]


def running(shop: Namespace, name: str, image: str, cpu: str) -> None:
    labels = {"shipit.dev/instance": "shop-qa", "shipit.dev/service": "web"}
    container = {"name": "web", "image": image, "resources": {"limits": {"cpu": cpu}}}
    shop.put({"metadata": {"name": name, "labels": labels}, "spec": {"containers": [container]}})


def rolling(unavailable: int | str, replicas: int = 2, *, kind: str = "RollingUpdate") -> Any:
    one = deployment(replicas, limits={"cpu": "1"})
    one["metadata"]["labels"] = {"shipit.dev/service": "web"}
    one["spec"]["strategy"] = {"type": kind, "rollingUpdate": {"maxUnavailable": unavailable}}
    return one


@pytest.mark.parametrize(
    ("one", "stands"),
    [
        (rolling(0), True),
        (rolling("25%"), True),  # of two: rounded down to none
        (rolling("50%"), False),
        (rolling(1), False),
        (rolling(0, kind="Recreate"), False),
    ],
)
def test_a_new_pod_has_to_fit_beside_the_old_ones(
    shop: Namespace, one: dict[str, Any], *, stands: bool
) -> None:
    """What fits once the old ones are gone stands still when they wait for their successors."""
    shop.put(quota({"requests.cpu": "2"}, {"requests.cpu": "2"}), "resourcequotas")
    for name in ("web-1", "web-2"):
        running(shop, name, f"docker.io/library/web@sha256:{'b' * 64}", "1")
    said = of(found(shop, one), "quotas")
    words = "team leaves 0 of requests.cpu, and a new pod of web beside the old ones takes 1"
    assert said == ([("error", words)] if stands else [("ok", "what is asked for fits")])
    for name in ("web-1", "web-2"):
        running(shop, name, IMAGE, "1")  # it is there already: nothing is replaced
    assert of(found(shop, one), "quotas")[0][0] == "ok"


def test_a_quota_for_some_pods_alone_is_the_servers(shop: Namespace) -> None:
    shop.put(quota({"pods": "0"}, {}, scopes=["BestEffort"]), "resourcequotas")
    assert of(found(shop, deployment()), "quotas")[0][0] == "ok"


def test_what_a_quota_counts_must_be_said(shop: Namespace) -> None:
    """Otherwise its pods are refused to their controller, and the rollout stands still."""
    shop.put(quota({"limits.cpu": "4"}, {}), "resourcequotas")
    assert of(found(shop, deployment()), "quotas") == [
        ("error", "web: limits.cpu is counted by a quota and not said: its pods would be refused")
    ]
    shop.refusals["GET limitranges"] = (403, "limitranges is forbidden")
    [(level, what)] = of(found(shop, deployment()), "quotas")
    assert (level, "not verified" in what) == ("warning", True)
    shop.refusals.clear()
    limit = {"type": "Container", "default": {"cpu": "100m"}}
    shop.put({"metadata": {"name": "defaults"}, "spec": {"limits": [limit]}}, "limitranges")
    assert of(found(shop, deployment()), "quotas")[0][0] == "ok"


def limited(shop: Namespace, **limit: dict[str, str]) -> None:
    one = {"type": "Container", **limit}
    shop.put({"metadata": {"name": "team"}, "spec": {"limits": [one]}}, "limitranges")


@pytest.mark.parametrize(
    ("limit", "resources", "said"),
    [
        (
            {"max": {"memory": "1Gi"}},
            {"limits": {"memory": "2Gi"}},
            "a limit of 2Gi memory, and 1Gi is the most",
        ),
        ({"max": {"memory": "1Gi"}}, {"limits": {"memory": "512Mi"}}, ""),
        ({"max": {"cpu": "1"}}, {}, "no limit of cpu, which has to be 1 at most"),
        ({"max": {"cpu": "1"}, "default": {"cpu": "500m"}}, {}, ""),
        (
            {"min": {"cpu": "100m"}},
            {"requests": {"cpu": "0.05"}},
            "a request of 0.05 cpu, and 100m is the least",
        ),
        ({"min": {"cpu": "100m"}}, {"limits": {"cpu": "1"}}, ""),
        ({"min": {"cpu": "100m"}, "defaultRequest": {"cpu": "1"}}, {}, ""),
    ],
)
def test_what_a_limit_range_refuses(
    shop: Namespace, limit: dict[str, Any], resources: dict[str, Any], said: str
) -> None:
    """To the pod's controller: a dry run of a Deployment passes."""
    limited(shop, **limit)
    words = f"Deployment/web: web has {said} (team): its pods would be refused"
    assert of(found(shop, deployment(**resources)), "limits") == (
        [("error", words)] if said else []
    )


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", "1"),
        ("500m", "0.5"),
        ("1Gi", "1073741824"),
        ("1k", "1000"),
        ("1e3", "1000"),
        ("0.5", "0.5"),
        ("2E", "2000000000000000000"),
        ("100u", "0.0001"),
    ],
)
def test_quantities(text: str, amount: str) -> None:
    assert quotas.quantity(text) == Decimal(amount)


def test_no_quantity() -> None:
    with pytest.raises(ValueError, match="'much' is no quantity"):
        quotas.quantity("much")


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


# Whom images run as


def target(shop: Namespace, folder: Path) -> KubernetesCluster:
    config = {
        "current-context": "shop",
        "clusters": [{"name": "c", "cluster": {"server": shop.cluster().access.server}}],
        "users": [{"name": "ann", "user": {"token": "x"}}],
        "contexts": [
            {"name": "shop", "context": {"cluster": "c", "user": "ann", "namespace": NAME}}
        ],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    settings = KubernetesTarget(kubeconfig=str(path))
    return KubernetesCluster("default", settings, "qa", "shop", str(folder))


def test_a_cluster_that_gives_pods_their_users_is_told_nothing(
    shop: Namespace, tmp_path: Path
) -> None:
    """OpenShift's admission writes a uid into each pod that has none."""

    def read(_: Image) -> list[str]:
        return [""]

    wanted = msgspec.structs.replace(desired(), project=PROJECT)
    [finding] = target(shop, tmp_path).check_users(wanted, read)
    assert finding.level == "error"
    shop.pages["/apis/security.openshift.io"] = {"kind": "APIGroup"}
    assert not list(target(shop, tmp_path).check_users(wanted, read))


PROJECT = {"name": "shop-qa", "services": {"web": {"image": f"registry.example/shop/web@{DIGEST}"}}}
