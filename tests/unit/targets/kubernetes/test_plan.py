"""What is decided about one object, from what is wanted and what is there."""

from typing import Any

import pytest

from shipit.model.deployment import Action, Desired
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.targets.kubernetes import applyset, names
from shipit.targets.kubernetes.plan import Move, changes, decide
from shipit.targets.kubernetes.render import Rendered

Json = dict[str, Any]
SET = applyset.identity("shop-dev", "team")
DEFINITION: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "realms.example.com"},
    "spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Realm"}},
}
DIGEST = Digest.of(b"2")
IMAGE = Image("registry.test/shop", DIGEST)
REALM: Json = {"apiVersion": "example.com/v1", "kind": "Realm", "metadata": {"name": "one"}}


def service(*, ours: bool = True, **spec: Any) -> Json:
    labels = {applyset.PART_OF: SET} if ours else {}
    metadata = {"name": "web", "namespace": "team", "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def decided(
    wanted: tuple[Json, ...], live: tuple[Json, ...], discovered: tuple[str, ...] = ()
) -> dict[str, Move]:
    there = {_key(one): one for one in live}
    return decide(Rendered(wanted, {}), there, SET, "team", discovered)


def _key(one: Json) -> str:
    group = "" if one["apiVersion"] == "v1" else f".{one['apiVersion'].partition('/')[0]}"
    return f"{one['kind']}{group}/{one['metadata'].get('namespace', '')}/{one['metadata']['name']}"


@pytest.mark.parametrize(
    ("live", "wanted", "anew"),
    [
        (service(clusterIP="None"), service(), True),
        (service(clusterIP="10.0.0.1"), service(clusterIP="None"), True),
        (service(clusterIP="10.0.0.1"), service(), False),
        (service(clusterIP="None"), service(clusterIP="None"), False),
        (service(clusterIP="None", ours=False), service(), False),
        (service(type="ExternalName"), service(clusterIP="None"), False),
        (service(type="LoadBalancer", clusterIP="10.0.0.1"), service(clusterIP="None"), False),
    ],
)
def test_a_service_that_cannot_be_changed_in_place(live: Json, wanted: Json, anew: bool) -> None:
    """Somebody else's is not taken away, nor is one that the cloud has to clean up after."""
    [move] = decided((wanted,), (live,)).values()
    assert (move.action, move.anew) == (Action.UPDATE, anew)


@pytest.mark.parametrize(
    ("wanted", "live", "discovered"),
    [
        ((REALM,), (), ("Realm.example.com",)),
        ((REALM,), (REALM,), ()),
        ((REALM, DEFINITION), (), ()),
    ],
)
def test_an_object_of_the_whole_cluster_has_no_namespace(
    wanted: tuple[Json, ...], live: tuple[Json, ...], discovered: tuple[str, ...]
) -> None:
    """Its key is that of what is there: it is not pruned as something else."""
    moves = decided(wanted, live, discovered)
    assert "Realm.example.com//one" in moves
    assert not any(move.action is Action.REMOVE for move in moves.values())


def told(*moves: Move) -> str:
    desired = Desired("shop", "dev", DIGEST, "r1", {}, {"web": IMAGE}, ("web",))
    [change] = changes(desired, Rendered((), {}), {m.key: m for m in moves}, None)
    return change.why


def labelled(kind: str, **spec: Any) -> Json:
    labels = {names.NAME: "web"}
    return {"kind": kind, "metadata": {"name": "web", "labels": labels}, "spec": spec}


def test_what_comes_and_what_goes_beside_a_workload_is_told_apart() -> None:
    runs = Move("Deployment", Action.KEEP, labelled("Deployment", template={}))
    scaler, budget = labelled("HorizontalPodAutoscaler"), labelled("PodDisruptionBudget")
    service = Move("Service", Action.UPDATE, labelled("Service"), labelled("Service"))
    coming = Move("HorizontalPodAutoscaler", Action.CREATE, scaler)
    going = Move("PodDisruptionBudget", Action.REMOVE, None, budget)
    assert told(runs, coming, service, going) == (
        "HorizontalPodAutoscaler/web comes; Service/web changes; PodDisruptionBudget/web goes"
    )


def test_a_schedules_image_is_an_image_too() -> None:
    path = "CronJob web: spec.jobTemplate.spec.template.spec.containers.web"
    image = (f"+ {path}.image: {IMAGE.reference}",)
    one = labelled("CronJob", jobTemplate={})
    assert told(Move("CronJob", Action.UPDATE, one, one, image)) == (
        f"its image changes to {DIGEST.short}"
    )
    command = (f"+ {path}.args.0: later",)
    assert told(Move("CronJob", Action.UPDATE, one, one, command)) == "its configuration changes"
