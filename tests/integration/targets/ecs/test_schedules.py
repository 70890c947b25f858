"""Schedules in moto's EventBridge Scheduler; ECS itself is the simulation."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from shipit.model import application
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import EcsTarget
from shipit.model.progress import Outcome, Progress, Succeeded
from shipit.targets.ecs.target import EcsCluster
from tests.fakes.ecs import SimulatedEcs, runs
from tests.fakes.moto import CREDENTIALS, moto_server

pytestmark = pytest.mark.aws

REPORT = {"x-shipit": {"schedule": "30 3 * * 1-5", "timezone": "Europe/Madrid"}}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


class Account:
    def __init__(self, moto: str, sim: SimulatedEcs) -> None:
        self.sim, self._moto = sim, moto

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name="eu-west-1", endpoint_url=self._moto)

    def role(self, name: str, service: str) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        made = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
        return str(made["Role"]["Arn"])

    def target(self, scheduler: str) -> EcsCluster:
        settings = EcsTarget(
            region="eu-west-1",
            cluster="prod",
            subnets=("subnet-0a1",),
            execution_role="arn:aws:iam::123456789012:role/execution",
            scheduler_role=scheduler,
        )
        return EcsCluster(
            "default",
            settings,
            "dev",
            "shop",
            "/",
            clock=lambda: self.sim.world.now,
            pause=self.sim.clock.advance,
        )

    def desired(self, version: str, **services: dict[str, Any]) -> Desired:
        images = {
            n: Image(f"registry.test/shop/{n}", Digest.of(version.encode())) for n in services
        }
        for image in images.values():
            self.sim.images[image.reference] = runs()
        project = {
            "services": {n: {**s, "image": images[n].reference} for n, s in services.items()}
        }
        return Desired(
            app="shop",
            environment="dev",
            release=Digest.of(version.encode()),
            release_id=f"r{version}",
            project=project,
            images=images,
            services=application.long_running(project),
            scheduled=application.scheduled(project),
        )


@pytest.fixture
def account(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    request = urllib.request.Request(f"{moto}/moto-api/reset", method="POST")
    urllib.request.urlopen(request, timeout=10).close()
    with SimulatedEcs(clusters=["prod"]) as sim:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", sim.endpoint)
        yield Account(moto, sim)


def deploy(target: EcsCluster, desired: Desired) -> Outcome:
    *_, outcome = target.follow(target.apply(target.plan(desired, target.observe())))
    assert not isinstance(outcome, Progress)
    return outcome


def test_a_schedule_from_the_first_deployment_to_its_end(account: Account) -> None:
    scheduler = account.client("scheduler")
    target = account.target(account.role("scheduler", "scheduler.amazonaws.com"))
    for version in "12":
        desired = account.desired(version, web={}, report=REPORT)
        assert isinstance(deploy(target, desired), Succeeded)
        found = scheduler.get_schedule(GroupName="shop-dev", Name="shop-dev-report")
        pinned = found["Target"]["EcsParameters"]["TaskDefinitionArn"]
        assert pinned.endswith(f":task-definition/shop-dev-report:{version}")
    assert found["ScheduleExpression"] == "cron(30 3 ? * MON-FRI *)"
    assert (found["ScheduleExpressionTimezone"], found["State"]) == ("Europe/Madrid", "ENABLED")
    target.stop(["report"])
    found = scheduler.get_schedule(GroupName="shop-dev", Name="shop-dev-report")
    assert (found["State"], found["ScheduleExpression"]) == ("DISABLED", "cron(30 3 ? * MON-FRI *)")
    target.start(["report"])
    assert isinstance(deploy(target, account.desired("2", web={})), Succeeded)
    assert scheduler.list_schedules(GroupName="shop-dev")["Schedules"] == []
    assert isinstance(deploy(target, account.desired("2", web={}, report=REPORT)), Succeeded)
    target.remove(volumes=False)
    groups = [g["Name"] for g in scheduler.list_schedule_groups()["ScheduleGroups"]]
    assert groups == ["default"]


def test_08_gc_leaves_what_a_schedule_or_a_rule_starts(account: Account) -> None:
    """Failure mode 8, over moto's EventBridge: a schedule of ours, and a rule made by hand."""
    target = account.target(account.role("scheduler", "scheduler.amazonaws.com"))
    for version in "1234":
        deploy(target, account.desired(version, report=REPORT))
    arn = {d.revision: d.arn for d in account.sim.world.definitions["shop-dev-report"]}
    events = account.client("events")
    events.put_rule(Name="old", ScheduleExpression="rate(1 hour)")
    cluster = account.sim.world.clusters["prod"].arn
    parameters = {"TaskDefinitionArn": arn[1]}
    role = "arn:aws:iam::123456789012:role/events"
    aim = {"Id": "1", "Arn": cluster, "RoleArn": role, "EcsParameters": parameters}
    events.put_targets(Rule="old", Targets=[aim])
    assert [one.name for one in target.leftovers([], 0)] == [
        "shop-dev-report:3",
        "shop-dev-report:2",
    ]


@pytest.mark.parametrize(
    ("principal", "level", "what"),
    [
        ("scheduler.amazonaws.com", "ok", "role/mine"),
        ("events.amazonaws.com", "error", "may not be assumed by EventBridge Scheduler"),
        ("", "error", "AWS refused iam:GetRole: NoSuchEntity"),
    ],
)
def test_check_looks_at_the_schedulers_role(
    account: Account, principal: str, level: str, what: str
) -> None:
    role = "arn:aws:iam::123456789012:role/nobody"
    if principal:
        role = account.role("mine", principal)
    found = {f.subject: f for f in account.target(role).check(None)}
    assert found["scheduler role"].level == level
    assert what in found["scheduler role"].what
