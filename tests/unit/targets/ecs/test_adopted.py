"""A team's own task definitions and services, deployed on the simulated ECS."""

from typing import Any, cast

import pytest
from msgspec.structs import replace

from shipit.errors import ConfigurationError
from shipit.model import application, source
from shipit.model.deployment import Action, Desired, Health
from shipit.model.digest import Digest
from shipit.model.image import Image, Platform, PlatformImage
from shipit.model.progress import Failed, Succeeded
from shipit.targets.ecs import balancers, own
from shipit.targets.ecs.look import Look
from shipit.targets.ecs.render import Network, render
from tests.fakes.ecs import ends, runs
from tests.unit.targets.ecs.conftest import REGISTRY, ROLE, Shop, digest

Json = dict[str, Any]

TASK: Json = {
    "family": "the-web",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": ".25 vCPU",
    "memory": "0.5GB",
    "executionRoleArn": ROLE,
    "containerDefinitions": [
        {
            "name": "web",
            "image": "web",
            "portMappings": [{"containerPort": 8080}],
            "healthCheck": {"command": ["CMD", "true"]},
            "environment": [{"name": "GREETING", "value": "hello"}],
        },
        {"name": "agent", "image": "agent", "essential": False},
    ],
    "tags": [{"key": "team", "value": "front"}],
}
SERVICE: Json = {
    "desiredCount": 2,
    "launchType": "FARGATE",
    "platformVersion": "1.4.0",
    "deploymentConfiguration": {"minimumHealthyPercent": 50},
    "networkConfiguration": {
        "awsvpcConfiguration": {"subnets": ["subnet-9", "subnet-1"], "securityGroups": ["sg-7"]}
    },
    "propagateTags": "SERVICE",
    "tags": [{"key": "team", "value": "front"}],
}


def wanted(
    shop: Shop, version: str = "1", task: Json = TASK, service: Json = SERVICE, **compose: Json
) -> Desired:
    """As delivery makes it: images by digest, and the services that the definition stands for."""
    images = {n: Image(f"{REGISTRY}/{n}", digest(version)) for n in ("web", "agent", *compose)}
    objects = ({"name": "web", "task_definition": task, "service": service},)
    by = {name: image.reference for name, image in images.items()}
    pinned = source.replaced(objects, own.images(objects), by)
    tasks = {n: {"networks": {"default": None}, **s, "image": by[n]} for n, s in compose.items()}
    project = source.project({"services": tasks}, own.services(pinned))
    for image in images.values():
        shop.sim.images.setdefault(image.reference, runs())
    return replace(
        shop.desired(version=version),
        project=project,
        images=images,
        services=application.long_running(project),
        before=application.one_offs(project, "before"),
        source=pinned,
    )


def registered(shop: Shop) -> Json:
    return dict(shop.sim.asked("RegisterTaskDefinition")[-1])


def test_the_definition_is_registered_as_it_is_written(shop: Shop) -> None:
    plan, _, outcome = shop.deploy(wanted(shop))
    assert outcome == Succeeded({"web": digest("1"), "agent": digest("1")})
    assert {(c.service, c.action) for c in plan.changes} == {
        ("web", Action.CREATE),
        ("agent", Action.CREATE),
    }
    sent = registered(shop)
    tags = {tag["key"]: tag["value"] for tag in sent.pop("tags")}
    assert tags["team"] == "front"
    assert tags["shipit:release"] == "r1"
    web, agent = sent.pop("containerDefinitions")
    assert sent == {
        "family": "the-web",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": ROLE,
    }
    assert web["image"] == f"{REGISTRY}/web@{digest('1')}"
    assert agent["image"] == f"{REGISTRY}/agent@{digest('1')}"
    assert web["environment"] == [{"name": "GREETING", "value": "hello"}]
    created = shop.sim.asked("CreateService")[-1]
    assert (created["serviceName"], created["desiredCount"]) == ("shop-dev-web", 2)
    assert (created["platformVersion"], created["propagateTags"]) == ("1.4.0", "SERVICE")
    assert {"key": "team", "value": "front"} in created["tags"]
    network = created["networkConfiguration"]["awsvpcConfiguration"]
    assert network["subnets"] == ["subnet-1", "subnet-9"]


def test_deployed_again_nothing_changes(shop: Shop) -> None:
    """ECS's answer has its defaults in it, and none of them is a difference."""
    shop.deploy(wanted(shop))
    before = len(shop.sim.asked("UpdateService"))
    plan, _, outcome = shop.deploy(wanted(shop))
    assert not plan.changed, plan.changes
    assert isinstance(outcome, Succeeded)
    assert len(shop.sim.asked("UpdateService")) == before
    assert len(shop.sim.asked("RegisterTaskDefinition")) == 1


def test_a_new_digest_is_an_update_and_is_proven(shop: Shop) -> None:
    shop.deploy(wanted(shop))
    plan, _, outcome = shop.deploy(wanted(shop, "2"))
    assert outcome == Succeeded({"web": digest("2"), "agent": digest("2")})
    assert [c.action for c in plan.changes] == [Action.UPDATE, Action.UPDATE]
    assert "its image changes from" in plan.changes[0].why


def test_a_change_of_the_files_is_shown_and_made(shop: Shop) -> None:
    shop.deploy(wanted(shop))
    service = {**SERVICE, "platformVersion": "LATEST", "desiredCount": 3}
    plan, _, outcome = shop.deploy(wanted(shop, task={**TASK, "memory": "1 GB"}, service=service))
    assert isinstance(outcome, Succeeded)
    assert set(plan.changes[0].diff) == {
        "- task.memory: 512",
        "+ task.memory: 1024",
        "- service.platformVersion: 1.4.0",
        "+ service.platformVersion: LATEST",
        "- service.desiredCount: 2",
        "+ service.desiredCount: 3",
    }
    assert shop.service()["desiredCount"] == 3


def test_what_a_file_does_not_speak_of_stays(shop: Shop) -> None:
    shop.deploy(wanted(shop))
    silent = {k: v for k, v in SERVICE.items() if k not in ("platformVersion", "desiredCount")}
    shop.sim.call("UpdateService", cluster="prod", service="shop-dev-web", desiredCount=5)
    shop.sim.clock.advance(120)
    plan, _, outcome = shop.deploy(wanted(shop, "2", service=silent))
    assert isinstance(outcome, Succeeded)
    assert not any("platformVersion" in line for line in plan.changes[0].diff)
    assert (shop.service()["desiredCount"], shop.service()["platformVersion"]) == (5, "1.4.0")


def test_a_broken_image_is_a_failure_with_its_reason(shop: Shop) -> None:
    shop.deploy(wanted(shop))
    shop.behaves("2", ends(3))
    _, _, outcome = shop.deploy(wanted(shop, "2"))
    assert isinstance(outcome, Failed)
    assert any("web exited with code 3" in str(reason) for reason in outcome.reasons)


def test_without_a_service_file_the_target_says_how(shop: Shop) -> None:
    _, _, outcome = shop.deploy(wanted(shop, service={}))
    assert isinstance(outcome, Succeeded)
    created = shop.sim.asked("CreateService")[-1]
    assert created["desiredCount"] == 1
    assert created["networkConfiguration"]["awsvpcConfiguration"]["subnets"] == ["subnet-0a1"]


def test_an_own_network_needs_no_subnets_of_the_target(shop: Shop) -> None:
    shop.settings = replace(shop.settings, subnets=(), security_groups=())
    _, _, outcome = shop.deploy(wanted(shop))
    assert isinstance(outcome, Succeeded)
    with pytest.raises(ConfigurationError, match=r"web\.service\.networkConfiguration: its tasks"):
        shop.target().plan(wanted(shop, service={}), shop.target().observe())


def test_a_service_of_another_name_is_refused(shop: Shop) -> None:
    with pytest.raises(ConfigurationError) as error:
        shop.deploy(wanted(shop, service={**SERVICE, "serviceName": "web"}))
    assert "web.service.serviceName: the service is shop-dev-web here, and not web" in str(
        error.value
    )
    assert shop.sim.asked("RegisterTaskDefinition") == []


def test_a_service_that_its_prefix_names_is_taken_over(shop: Shop) -> None:
    shop.settings = replace(shop.settings, prefix="acme")
    _, _, outcome = shop.deploy(wanted(shop, service={**SERVICE, "serviceName": "acme-web"}))
    assert isinstance(outcome, Succeeded)
    assert shop.service("acme-web")["status"] == "ACTIVE"


def test_an_image_for_another_platform_is_refused(shop: Shop) -> None:
    arm = (PlatformImage(Platform("linux", "arm64"), Digest.of(b"m"), Digest.of(b"c")),)
    desired = wanted(shop)
    images = {**desired.images, "web": replace(desired.images["web"], platforms=arm)}
    with pytest.raises(ConfigurationError, match="the image of web is for arm64, and the task for"):
        shop.deploy(replace(desired, images=images))


def test_one_off_tasks_of_compose_run_beside_it(shop: Shop) -> None:
    desired = wanted(shop, migrate={"x-shipit": {"run": "before"}})
    assert desired.before == ("migrate",)
    steps = list(shop.target().run_task(desired, "migrate", "1"))
    assert shop.sim.asked("RunTask")[-1]["launchType"] == "FARGATE"
    assert registered(shop)["family"] == "shop-dev-migrate"
    assert steps


def test_a_command_runs_in_the_teams_own_task(shop: Shop) -> None:
    shop.target().run(wanted(shop), "agent", ["agent", "status"], tty=False)
    asked = shop.sim.asked("RunTask")[-1]
    assert asked["overrides"]["containerOverrides"] == [
        {"name": "agent", "command": ["agent", "status"]}
    ]
    assert asked["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"] == ["sg-7"]
    assert registered(shop)["family"] == "the-web"


def test_what_runs_is_seen_by_container(shop: Shop) -> None:
    shop.deploy(wanted(shop))
    seen = shop.target().observe().services
    assert {n: (s.health, s.images) for n, s in seen.items()} == {
        "web": (Health.HEALTHY, (digest("1"),)),
        "agent": (Health.HEALTHY, (digest("1"),)),
    }


class Elb:
    """A target group that takes addresses, in the VPC of subnet-1 and subnet-9."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Json]] = []

    def call(self, _: str, operation: str, **asked: Any) -> Json:
        self.asked.append((operation, asked))
        if operation == "describe_subnets":
            return {"Subnets": [{"VpcId": "vpc-own"}]}
        group = {"TargetGroupName": "web", "TargetType": "ip", "VpcId": "vpc-own"}
        return {"TargetGroups": [{**group, "Port": 8080, "LoadBalancerArns": ["arn:lb"]}]}


def test_check_looks_at_the_network_that_the_file_names(shop: Shop) -> None:
    """And not at the target's own subnets, which are in another VPC."""
    balancer = {"targetGroupArn": "arn:tg", "containerName": "web", "containerPort": 8080}
    desired = wanted(shop, service={**SERVICE, "loadBalancers": [balancer]})
    setting = shop.target()._setting(Network(("subnet-0a1",)))
    elb = Elb()
    look = Look(cast("Any", elb), "prod", setting, desired, render(desired, setting))
    assert [(f.level, f.what) for f in balancers.look_at(look)] == [("ok", "web")]
    assert ("describe_subnets", {"SubnetIds": ["subnet-1"]}) in elb.asked


def test_a_policy_has_the_teams_own_family_and_the_roles_arn(shop: Shop) -> None:
    desired = wanted(shop, task={**TASK, "taskRoleArn": "web-role"})
    found = shop.target().permissions(desired, "111122223333", clearing=True)
    by = {action: one.resources for one in found for action in one.actions}
    here = "arn:aws:ecs:eu-west-1:111122223333:task-definition"
    assert by["ecs:RunTask"] == (f"{here}/shop-dev-*:*", f"{here}/the-web:*")
    assert by["ecs:RegisterTaskDefinition"] == (f"{here}/shop-dev-*", f"{here}/the-web:*")
    assert by["ecs:DeleteTaskDefinitions"] == by["ecs:RegisterTaskDefinition"]
    assert by["iam:PassRole"] == (ROLE, "arn:aws:iam::111122223333:role/web-role")


def test_a_policy_needs_no_subnets_that_only_tags_know(shop: Shop) -> None:
    shop.settings = replace(shop.settings, subnets=(), subnet_tags={"Name": "private"})
    assert shop.target().permissions(wanted(shop, service={}), "111122223333")


def test_08_revisions_of_the_teams_own_family_are_cleared(shop: Shop) -> None:
    """Failure mode 8."""
    for version in "123":
        shop.deploy(wanted(shop, version))
    assert [one.name for one in shop.target().leftovers([], 0)] == ["the-web:2", "the-web:1"]
