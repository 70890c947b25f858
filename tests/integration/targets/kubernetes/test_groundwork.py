"""A release whose task needs services that are not there yet, through delivery, on the real control
plane: what is laid first is a part of the release, and the rest stays as it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from shipit.delivery.deploy import deploy
from shipit.delivery.request import Request
from shipit.errors import DeploymentFailedError, RolledBackError
from shipit.model.events import ReleaseCreated
from shipit.model.pipeline import Environment
from shipit.model.progress import Progress, Stage, Succeeded
from shipit.model.release import summarize
from shipit.targets.interface import Target
from tests.fakes.cluster.story import ends
from tests.fakes.project import FakeProject, environment, fails, make_release, told
from tests.integration.targets.kubernetes.conftest import IMAGES, Place
from tests.integration.targets.kubernetes.test_objects import config, sourced, workload

pytestmark = pytest.mark.cluster
Json = dict[str, Any]

PORTS = [{"mode": "ingress", "target": 80, "published": "80", "protocol": "tcp"}]
OPEN: Json = {"ports": PORTS, "x-kubernetes": {"ingress": {"hosts": ["shop.test"]}}}
MIGRATE: Json = {"x-shipit": {"run": "before"}, "depends_on": {"db": {}}}
SITE = {"configs": {"site": {"content": "listen 80;"}}}
READS: Json = {"configs": [{"source": "site", "target": "/etc/site"}]}


class OnCluster(FakeProject):
    """Its one environment is the place's namespace."""

    def __init__(self, root: Path, place: Place) -> None:
        super().__init__(root, replace(environment("dev"), deadline="60s"))
        self.place = place

    def targets(self, environment: Environment) -> dict[str, Target]:
        return {name: self.place.target() for name in environment.targets}

    def bring(self, name: str, services: Json, **sections: Any) -> None:
        """A release of these services onto the record."""
        count = len(self.ledger.read().releases)
        made = make_release(name, services=tuple(services), minute=count)
        rendered = {n: {**s, "image": made.images[n].image.reference} for n, s in services.items()}
        project = {"name": "shop-dev", **sections, "services": rendered}
        release = replace(made, environments={"dev": project})
        self.ledger.put_release(release)
        self.say(ReleaseCreated(release=summarize(release)))

    def deploy(self, look: Callable[[Progress], None] = lambda _: None) -> None:
        work = deploy(self, Request("dev"))

        def looked_at() -> Any:
            while True:
                try:
                    step = next(work)
                except StopIteration as end:
                    return end.value
                if isinstance(step, Progress):
                    look(step)
                yield step

        told(looked_at())


@pytest.fixture
def project(place: Place, tmp_path: Path) -> OnCluster:
    task_ends(place, 0)
    return OnCluster(tmp_path, place)


def task_ends(place: Place, code: int) -> None:
    assert place.cluster.node
    place.cluster.node.when(ends(code), service="migrate", namespace=place.namespace)


def kinds(place: Place) -> set[str]:
    path = r"jsonpath={.metadata.annotations.applyset\.kubernetes\.io/contains-group-kinds}"
    return set(place.kubectl("get", "configmap", "shop-dev", "-o", path).split(","))


def test_what_ran_before_stays_known_and_what_the_release_drops_is_pruned(
    project: OnCluster, place: Place
) -> None:
    """Failure mode 35: nothing is forgotten either."""
    project.bring("a", {"web": OPEN})
    project.deploy()
    before = kinds(place)
    assert {"Ingress.networking.k8s.io", "Service"} <= before
    at_the_task: list[set[str]] = []

    def look(step: Progress) -> None:
        if step.stage is Stage.BEFORE and step.subject == "migrate":
            at_the_task.append(kinds(place))

    project.bring("b", {"web": {"ports": PORTS}, "db": {}, "migrate": MIGRATE})
    project.deploy(look)
    assert at_the_task[0] >= before
    assert place.names("ingress") == []
    assert sorted(place.names("deployment")) == ["deployment.apps/db", "deployment.apps/web"]


def test_what_a_failed_task_was_given_goes_back_to_what_was(
    project: OnCluster, place: Place
) -> None:
    project.bring("a", {"web": OPEN})
    project.deploy()
    task_ends(place, 3)
    project.bring("b", {"web": {"ports": PORTS}, "db": {}, "migrate": MIGRATE})
    fails(deploy(project, Request("dev")), RolledBackError)
    assert len(place.names("ingress")) == 1
    assert place.names("deployment") == ["deployment.apps/web"]


def test_what_services_share_and_what_runs_at_its_times(project: OnCluster, place: Place) -> None:
    """A config of two services is there for the first of them; schedules come with the rest."""
    timed = {"x-shipit": {"schedule": "rate(1 hour)"}}
    migrate = {**MIGRATE, "depends_on": {"db": {}, "cache": {}}}
    services = {"cache": READS, "db": READS, "migrate": migrate, "night": timed}
    seen: list[tuple[list[str], list[str]]] = []

    def look(step: Progress) -> None:
        if step.stage is Stage.BEFORE and step.subject == "migrate":
            seen.append((list(place.names("configmap")), list(place.names("cronjob"))))

    project.bring("a", services, **SITE)
    project.deploy(look)
    configs, timers = seen[0]
    assert any("shop-dev-site" in name for name in configs)
    assert timers == []
    assert place.names("cronjob") == ["cronjob.batch/night"]


def test_a_task_that_fails_first_leaves_nothing_that_rm_does_not_find(
    project: OnCluster, place: Place
) -> None:
    """What a task needs is claimed before it is made."""
    task_ends(place, 3)
    account = {"x-kubernetes": {"service_account": {"annotations": {"role": "arn"}}}}
    migrate = {"x-shipit": {"run": "before"}, **READS, **account}
    project.bring("a", {"web": {}, "migrate": migrate}, **SITE)
    _, error = fails(deploy(project, Request("dev")), DeploymentFailedError)
    assert "nothing has changed" in error.why
    assert any("shop-dev-site" in name for name in place.names("configmap"))
    place.target().remove(volumes=True)
    assert place.names("configmap") == ["configmap/kube-root-ca.crt"]
    assert place.names("serviceaccount") == ["serviceaccount/default"]
    assert place.names("job") == []


def test_of_own_manifests_only_the_part_is_followed(place: Place) -> None:
    """What runs there runs something else until its turn comes; what no service is called by, and
    pods may need, comes with the part."""
    place.deploy(sourced(place, workload("Deployment", "1")))
    db = workload("Deployment", "2")
    db["metadata"] = {"name": "db"}
    db["spec"]["selector"] = {"matchLabels": {"app": "db"}}
    db["spec"]["template"]["metadata"] = {"labels": {"app": "db"}}
    whole = replace(
        place.desired("web", "db", version="2"),
        source=(workload("Deployment", "2"), config(a="1"), db),
    )
    target = place.target()
    plan = target.preflight(target.plan(whole, target.observe()))
    part = replace(
        plan,
        desired=replace(whole, services=("db",)),
        changes=tuple(c for c in plan.changes if c.service == "db"),
    )
    *_, outcome = target.follow(target.apply(part))
    assert outcome == Succeeded({"db": IMAGES["2"].digest})
    assert "configmap/settings" in place.names("configmap")
    assert place.target().observe().services["web"].images == (IMAGES["1"].digest,)
