"""Quotas and LimitRanges: what would be refused to pods, where no dry run tells."""

from decimal import Decimal
from typing import Any

import pytest

from shipit.targets.kubernetes import quotas
from tests.fakes.namespace import Namespace
from tests.unit.targets.kubernetes.test_check import IMAGE, deployment, found, of, shop

__all__ = ["shop"]


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
