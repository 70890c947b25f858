"""Whether Flagger moves a workload: what is asked, and what is made of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from shipit.errors import RemoteError
from shipit.model.digest import Digest
from shipit.targets.kubernetes import counts, grants, permissions, progressive, rbac
from shipit.targets.kubernetes.client import Cluster
from shipit.targets.kubernetes.grants import There
from shipit.targets.kubernetes.kinds import Kinds
from shipit.targets.kubernetes.look import Look
from shipit.targets.kubernetes.progressive import Moved
from shipit.targets.kubernetes.reach.access import Access
from shipit.targets.kubernetes.refusals import Conflict
from shipit.targets.kubernetes.standing import Mark, Want
from tests.fakes.kubernetes_api import Reply, ScriptedApi, items, refuse

Json = dict[str, Any]
DIGEST = Digest.of(b"web")
GROUPS = "GET /apis"
DISCOVERY = "GET /apis/flagger.app/v1beta1"
CANARIES = f"{DISCOVERY}/namespaces/shop/canaries"
ARGO = "GET /apis/argoproj.io/v1alpha1"
ROLLOUTS = f"{ARGO}/namespaces/shop/rollouts"
DEPLOYMENTS = "GET /apis/apps/v1/namespaces/shop/deployments"


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """Flagger is there, and moves a Deployment called web."""
    with ScriptedApi() as found:
        found.on(GROUPS, groups("flagger.app"))
        found.on(DISCOVERY, kinds(("canaries", "Canary")))
        found.on(CANARIES, items(canary()))
        found.on(DEPLOYMENTS, items())
        yield found


def groups(*names: str) -> Reply:
    return Reply(200, {"groups": [{"name": name} for name in ("apps", *names)]})


def kinds(*several: tuple[str, str]) -> Reply:
    resources = [{"name": name, "kind": kind, "namespaced": True} for name, kind in several]
    return Reply(200, {"resources": resources})


def canary(kind: str = "Deployment", name: str = "web") -> Json:
    return {"metadata": {"name": "web"}, "spec": {"targetRef": {"kind": kind, "name": name}}}


def deployment(settings: str, image: str = "web") -> Json:
    container = {"name": "web", "image": image, "envFrom": [{"configMapRef": {"name": settings}}]}
    return {
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def want(kind: str = "Deployment") -> Want:
    return Want("web", "web", Mark(kind, "web", "u", 1, "t"), {}, DIGEST)


def look(api: ScriptedApi, *wants: Want) -> Moved:
    cluster = Cluster(Access(server=api.address, name="the cluster"), "shop")
    return progressive.look(cluster, wants or (want(),))


def test_without_anything_of_the_kind_one_question_is_asked(api: ScriptedApi) -> None:
    api.on(GROUPS, groups())
    assert look(api) == Moved((want(),))
    assert api.titles() == [GROUPS]


def test_other_tools_of_argos_group_are_not_asked(api: ScriptedApi) -> None:
    api.on(GROUPS, groups("argoproj.io"))
    api.on(ARGO, kinds(("workflows", "Workflow")))
    assert look(api) == Moved((want(),))
    assert api.titles() == [GROUPS, ARGO]


def test_a_rollout_that_runs_the_deployment_is_watched(api: ScriptedApi) -> None:
    api.on(GROUPS, groups("argoproj.io"))
    api.on(ARGO, kinds(("rollouts", "Rollout")))
    reference = {"kind": "Deployment", "name": "web"}
    rollout = {"metadata": {"name": "web"}, "spec": {"workloadRef": reference}}
    api.on(ROLLOUTS, items({"metadata": {"name": "by-itself"}, "spec": {}}))
    assert look(api) == Moved((want(),))
    api.on(ROLLOUTS, items(rollout))
    assert look(api) == Moved((want(),), frozenset({"Rollout"}))


def test_nothing_is_asked_for_what_flagger_cannot_move(api: ScriptedApi) -> None:
    assert look(api, want("StatefulSet")) == Moved((want("StatefulSet"),))
    assert api.titles() == []


def test_a_canary_of_somebody_else_is_watched(api: ScriptedApi) -> None:
    found = look(api)
    assert found.kinds == frozenset({"Canary"})
    assert not found.wants[0].promoted
    [asked] = [one for one in api.asked if one.title == CANARIES]
    assert "labelSelector" not in asked.query


@pytest.mark.parametrize("other", [canary("DaemonSet"), canary(name="api")])
def test_a_canary_of_something_else_is_not(api: ScriptedApi, other: Json) -> None:
    api.on(CANARIES, items(other))
    assert look(api) == Moved((want(),))


@pytest.mark.parametrize(
    ("primary", "promoted"),
    [
        (items(deployment("settings-primary")), True),
        (items(deployment("settings-primary", "other")), False),
        (items(deployment("more-primary")), False),
        (items(), False),
    ],
)
def test_what_flagger_runs_already_is_promoted(
    api: ScriptedApi, primary: Reply, promoted: bool
) -> None:
    """But for the names that it gives to what it copies."""
    api.on(DEPLOYMENTS, items(deployment("settings")), primary)
    assert look(api).wants[0].promoted is promoted
    fields = [one.query.get("fieldSelector") for one in api.asked if one.title == DEPLOYMENTS]
    assert fields == ["metadata.name=web", "metadata.name=web-primary"]


def conflict(field: str = "spec.replicas", manager: str = "flagger") -> Conflict:
    return Conflict(field, manager)


@pytest.mark.parametrize(
    ("conflicts", "found", "who"),
    [
        ([conflict()], items(canary()), "Flagger"),
        ([conflict()], items(canary(name="api")), ""),
        ([conflict()], refuse(403, "forbidden", reason="Forbidden"), ""),
        ([conflict("spec.paused")], items(canary()), ""),
        ([conflict(manager="shipit")], items(canary()), ""),
    ],
)
def test_whose_the_count_is_that_is_not_the_releases(
    api: ScriptedApi, conflicts: list[Conflict], found: Reply, who: str
) -> None:
    """Failure mode 34: Flagger has the workload at 0, and a release must not start it."""
    api.on(CANARIES, found)
    cluster = Cluster(Access(server=api.address, name="the cluster"), "shop")
    wanted = {"apiVersion": "apps/v1", "kind": "Deployment", **deployment("settings")}
    assert counts.mover(cluster, wanted, conflicts) == who


def test_canaries_that_may_not_be_listed_are_said(api: ScriptedApi) -> None:
    api.on(CANARIES, refuse(403, "forbidden", reason="Forbidden"))
    found = look(api)
    assert (found.wants, found.kinds) == ((want(),), frozenset())
    [note] = found.notes
    assert note.startswith("Flagger is here, and its Canary objects may not be listed")


def test_a_server_that_does_not_answer_is_no_absence(api: ScriptedApi) -> None:
    """Failure mode 16."""
    api.on(CANARIES, refuse(400, "what?"))
    with pytest.raises(RemoteError):
        look(api)


def test_the_role_reads_canaries_where_flagger_is(api: ScriptedApi) -> None:
    cluster = Cluster(Access(server=api.address, name="the cluster"), "shop")
    there = There(more=progressive.rules(cluster))
    wanted = grants.needed((), there, "shop", Kinds(None, ()).resource)["shop"]
    assert rbac.CANARIES in wanted
    assert rbac.ROLLOUTS not in wanted


@pytest.mark.parametrize(
    ("allowed", "level"), [(["list", "watch"], "ok"), (["list"], "warning"), ([], "warning")]
)
def test_check_says_that_canaries_may_not_be_read(
    api: ScriptedApi, allowed: list[str], level: str
) -> None:
    every: Json = {"verbs": ["*"], "apiGroups": ["", "apps", "batch"], "resources": ["*", "*/*"]}
    canaries = {"verbs": allowed, "apiGroups": ["flagger.app"], "resources": ["canaries"]}
    granted = {"resourceRules": [every, canaries], "incomplete": False}
    reviews = "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    api.on(reviews, Reply(201, {"status": granted}))
    cluster = Cluster(Access(server=api.address, name="the cluster"), "shop")
    look = Look(cluster, "kubernetes", "", None, (), (), There(more=frozenset({rbac.CANARIES})))
    assert {finding.level for finding in permissions.look_at(look)} == {level}
