"""What `shipit check` says of a cluster before anything changes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipit.model.deployment import Desired, Finding
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import KubernetesTarget
from shipit.targets.kubernetes import check, grants, permissions, rbac, resources
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


def test_what_is_in_the_cluster_is_asked_for_once(shop: Namespace, tmp_path: Path) -> None:
    """`shipit check` looks at the next release, and then at what may be gone back to."""
    asked = target(shop, tmp_path)
    assert list(asked.check(None))
    assert list(asked.check_return(None, ())) == []
    assert shop.requests.count("GET configmaps/shop-qa") == 1


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
