"""Rollouts on the real engine: what is changed, what is proven, and what a failure says."""

import urllib.request
from collections.abc import Callable

import pytest

from shipit.errors import PreconditionError
from shipit.model.deployment import Action, Health
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.progress import Failed, Mark, Succeeded
from shipit.targets.docker.target import DockerEngine
from tests.fakes.engine import Shop, deploy, docker, wait_for, web, worker

pytestmark = pytest.mark.engine
Engines = Callable[..., DockerEngine]


def ids(shop: Shop) -> dict[str, str]:
    """Container ids by service."""
    rows = docker(
        *("ps", "-a", "--no-trunc", "--filter", f"label=com.docker.compose.project={shop.project}"),
        *("--format", '{{.Label "com.docker.compose.service"}} {{.ID}}'),
    )
    return dict(row.split() for row in rows.splitlines())


def test_a_first_deployment_is_proven_and_serves(shop: Shop, engine: Engines, port: int) -> None:
    desired = shop.desired({"web": web(port), "worker": worker()})
    plan, progress, outcome = deploy(engine(), desired)
    assert [(c.service, c.action, c.why) for c in plan.changes] == [
        ("web", Action.CREATE, "not there yet"),
        ("worker", Action.CREATE, "not there yet"),
    ]
    digest = shop.images["1"].digest
    assert outcome == Succeeded({"web": digest, "worker": digest})
    assert {p.subject for p in progress if p.mark is Mark.DONE} == {"web", "worker"}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        assert answer.read() == b"version 1\n"


def test_an_unchanged_release_touches_nothing(shop: Shop, engine: Engines) -> None:
    desired = shop.desired({"web": web(), "worker": worker()})
    deploy(engine(), desired)
    before = ids(shop)
    plan, _, outcome = deploy(engine(), desired)
    assert not plan.changed
    assert isinstance(outcome, Succeeded)
    assert ids(shop) == before


def test_another_registry_for_the_same_digest_is_no_change(shop: Shop, engine: Engines) -> None:
    services = {"web": web()}
    deploy(engine(), shop.desired(services))
    shop.images = {
        v: i.at(f"localhost:1/{i.repository.partition('/')[2]}") for v, i in shop.images.items()
    }
    plan, _, outcome = deploy(engine(), shop.desired(services))
    assert not plan.changed
    assert isinstance(outcome, Succeeded)


def test_a_dependency_from_another_registry_is_left_alone(shop: Shop, engine: Engines) -> None:
    needs = {"db": {"condition": "service_healthy", "required": True}}
    services = {"db": web(), "web": web(depends_on=needs)}
    deploy(engine(), shop.desired(services))
    before = ids(shop)
    one = shop.images["1"]
    shop.images = shop.images | {"1": one.at("localhost:1/shop/web")}
    _, _, outcome = deploy(engine(), shop.desired(services, versions={"web": "2"}))
    assert outcome == Succeeded({"db": one.digest, "web": shop.images["2"].digest})
    assert ids(shop)["db"] == before["db"]


def test_only_what_changes_is_recreated(shop: Shop, engine: Engines) -> None:
    services = {
        "db": web(),
        "web": web(depends_on={"db": {"condition": "service_healthy", "required": True}}),
        "worker": worker(),
    }
    deploy(engine(), shop.desired(services))
    before = ids(shop)
    plan, _, outcome = deploy(engine(), shop.desired(services, versions={"web": "2"}))
    one, two = (shop.images[v].digest for v in "12")
    changed = [c for c in plan.changes if c.action is not Action.KEEP]
    assert [(c.service, c.action, c.why) for c in changed] == [
        ("web", Action.UPDATE, f"its image changes from {one.short} to {two.short}")
    ]
    assert outcome == Succeeded({"db": one, "web": two, "worker": one})
    after = ids(shop)
    assert {name for name in after if after[name] != before[name]} == {"web"}


def test_configuration_changes_are_shown_without_values(shop: Shop, engine: Engines) -> None:
    deploy(engine(), shop.desired({"worker": worker(environment={"TOKEN": "one"})}))
    target = engine()
    desired = shop.desired({"worker": worker("exec sleep 999", environment={"TOKEN": "two"})})
    (change,) = target.plan(desired, target.observe()).changes
    assert change.why == "its configuration changes"
    assert change.diff == (
        "- command: ['sh', '-c', 'echo ready; exec sleep 1000']",
        "+ command: ['sh', '-c', 'exec sleep 999']",
        "- environment.TOKEN: (value not shown)",
        "+ environment.TOKEN: (value not shown)",
    )


def test_a_service_that_the_release_lost_is_removed(shop: Shop, engine: Engines) -> None:
    deploy(engine(), shop.desired({"web": web(), "worker": worker()}))
    plan, _, outcome = deploy(engine(), shop.desired({"web": web()}))
    assert [(c.service, c.action) for c in plan.changes] == [
        ("web", Action.KEEP),
        ("worker", Action.REMOVE),
    ]
    assert isinstance(outcome, Succeeded)
    assert set(ids(shop)) == {"web"}


def test_a_stopped_and_an_unhealthy_service_are_brought_back(shop: Shop, engine: Engines) -> None:
    target = engine()
    sick = worker(
        "while true; do sleep 1; done",
        healthcheck={
            "test": ["CMD", "/bin/busybox", "test", "!", "-e", "/sick"],
            "interval": "100ms",
            "retries": 1,
        },
    )
    desired = shop.desired({"sick": sick, "worker": worker()})
    deploy(target, desired)
    before = ids(shop)
    docker("exec", before["sick"], "/bin/busybox", "touch", "/sick")
    docker("stop", "-t", "0", before["worker"])
    wait_for(lambda: target.observe().services["sick"].health is Health.UNHEALTHY)
    plan, _, outcome = deploy(target, desired)
    assert {c.service: c.why for c in plan.changes} == {
        "sick": "unhealthy",
        "worker": "not running",
    }
    assert isinstance(outcome, Succeeded)
    assert ids(shop)["sick"] != before["sick"]


def test_an_unhealthy_service_fails_with_its_words(shop: Shop, engine: Engines) -> None:
    broken = web(command=["sh", "-c", "seq 1 30; exec sleep 1000"])
    _, progress, outcome = deploy(engine(), shop.desired({"web": broken, "worker": worker()}))
    assert isinstance(outcome, Failed)
    (reason,) = outcome.reasons
    assert reason.subject == "web"
    assert "health check fails" in reason.what
    assert "can't connect" in reason.what
    assert reason.logs == tuple(str(n) for n in range(11, 31))
    assert [p.subject for p in progress if p.mark is Mark.FAILED] == ["web"]


@pytest.mark.parametrize("restart", ["no", "always"])
def test_a_service_that_dies_fails_early(shop: Shop, engine: Engines, restart: str) -> None:
    dying = worker("echo no database >&2; exit 7", restart=restart)
    _, _, outcome = deploy(engine(), shop.desired({"worker": dying}, deadline=60))
    assert isinstance(outcome, Failed)
    (reason,) = outcome.reasons
    assert "exited with code 7" in reason.what
    assert reason.logs[-1] == "no database"


def test_a_failing_dependency_is_named_with_its_logs(shop: Shop, engine: Engines) -> None:
    services = {
        "db": worker("echo disk is full; exit 3"),
        "web": web(depends_on={"db": {"condition": "service_healthy", "required": True}}),
    }
    services["db"]["healthcheck"] = {"test": ["CMD", "/bin/busybox", "true"], "interval": "1s"}
    _, _, outcome = deploy(engine(), shop.desired(services))
    assert isinstance(outcome, Failed)
    assert [(r.subject, r.what, r.logs) for r in outcome.reasons] == [
        ("db", "exited with code 3", ("disk is full",))
    ]


def test_what_is_not_proven_in_time_has_failed(shop: Shop, engine: Engines) -> None:
    slow = web(command=["sh", "-c", "echo starting; exec sleep 1000"])
    slow["healthcheck"] |= {"retries": 1000}
    _, _, outcome = deploy(engine(), shop.desired({"web": slow}, deadline=3))
    assert isinstance(outcome, Failed)
    (reason,) = outcome.reasons
    assert reason.what == ("not proven within 3.0s: running, its health check has not passed yet")
    assert reason.logs == ("starting",)


def test_another_image_under_the_right_name_is_caught(shop: Shop, engine: Engines) -> None:
    target = engine()
    desired = shop.desired({"worker": worker()})
    deploy(target, desired)
    (was,) = ids(shop).values()
    labels = docker(
        "inspect", "--format", "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}\n{{end}}", was
    )
    docker("rm", "-f", was)
    docker("pull", "--quiet", shop.images["2"].reference)
    words = [word for label in labels.split() for word in ("--label", label)]
    name = ("--name", f"{shop.project}-worker-1")
    rollout = target.apply(target.plan(desired, target.observe()))
    wait_for(lambda: bool(ids(shop)))
    docker("rm", "-f", *ids(shop).values())
    docker("run", "-d", *name, *words, shop.images["2"].reference, "sleep", "1000")
    *_, outcome = target.follow(rollout)
    assert isinstance(outcome, Failed)
    assert "that was asked for" in outcome.reasons[0].what


def test_a_plan_does_not_outlive_a_change(shop: Shop, engine: Engines) -> None:
    target = engine()
    deploy(target, shop.desired({"worker": worker()}))
    plan = target.plan(shop.desired({"worker": worker()}, version="2"), target.observe())
    docker("stop", "-t", "0", *ids(shop).values())
    with pytest.raises(PreconditionError, match="has changed since it was planned"):
        target.apply(plan)


def test_a_digest_that_the_registry_does_not_have(shop: Shop, engine: Engines) -> None:
    target = engine()
    deploy(target, shop.desired({"worker": worker()}))
    before = ids(shop)
    shop.images["lost"] = Image(shop.images["1"].repository, Digest.of(b"lost"))
    with pytest.raises(PreconditionError, match="cannot be pulled") as raised:
        deploy(target, shop.desired({"worker": worker()}, version="lost"))
    assert "manifest unknown" in raised.value.why or "not found" in raised.value.why
    assert ids(shop) == before
    assert target.observe().services["worker"].health is Health.HEALTHY


def test_replicas_are_all_proven(shop: Shop, engine: Engines) -> None:
    target = engine()
    deploy(target, shop.desired({"worker": worker(deploy={"replicas": 2})}))
    observed = target.observe().services["worker"]
    assert (observed.desired, observed.running) == (2, 2)
    plan, _, outcome = deploy(target, shop.desired({"worker": worker(deploy={"replicas": 1})}))
    assert plan.changed
    assert isinstance(outcome, Succeeded)
    assert target.observe().services["worker"].running == 1
