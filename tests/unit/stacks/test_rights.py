"""Deployments to ECS and copies between registries, request by request, held against the role that
infra/ makes. The ledger's part is in tests/integration/ledger/test_permissions.py."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipit.registry.client import Client
from shipit.registry.keychain import Chain
from tests.fakes import registry_vouchers as vouching
from tests.fakes.ecs.simulation import Request
from tests.fakes.policies import allows
from tests.fakes.pulumi_engine.graph import of_account
from tests.fakes.registry import FakeRegistry
from tests.unit.registry.test_permissions import asked
from tests.unit.targets.ecs.conftest import PLAIN, REGISTRY, Shop, around, shop

__all__ = ["around", "shop"]  # fixtures
Json = dict[str, Any]
Call = tuple[str, str, dict[str, str]]  # action, resource, context
ARN = "arn:aws:ecs:eu-west-1:111122223333"
PASSED = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
SHIPIT_YAML = f"""\
app: shop
registry: {REGISTRY}
x-infra: {{github: acme/shop}}
environments:
  dev:
    target:
      ecs:
        region: eu-west-1
        cluster: prod
        subnets: [subnet-0a1]
        security_groups: [sg-0b2]
        execution_role: arn:aws:iam::111122223333:role/execution
  production:
    after: dev
    registry: 111122223333.dkr.ecr.us-east-1.amazonaws.com/live
    target: {{docker: {{}}}}
"""


@pytest.fixture
def roles(tmp_path: Path) -> dict[str, list[Json]]:
    """The statements of all policies, by role."""
    (tmp_path / "shipit.yaml").write_text(SHIPIT_YAML)
    (tmp_path / "compose.yaml").write_text("services: {web: {build: .}}\n")
    graph = of_account(tmp_path / "shipit.yaml")
    found: dict[str, list[Json]] = {r.name: [] for r in graph.of("aws:iam/role:Role")}
    for policy in graph.of("aws:iam/rolePolicy:RolePolicy"):
        role = policy.inputs["role"].removesuffix("-id")
        found[role] += json.loads(policy.inputs["policy"])["Statement"]
    return found


def in_iam(request: Request) -> Iterator[Call]:
    """As IAM sees it: Service Authorization Reference, "Amazon Elastic Container Service"."""
    given, action = request.parameters, f"ecs:{request.operation}"
    here = {"aws:RequestedRegion": "eu-west-1"}
    if cluster := given.get("cluster"):
        here["ecs:cluster"] = f"{ARN}:cluster/{cluster}"
    here |= {f"aws:RequestTag/{tag['key']}": tag["value"] for tag in given.get("tags", ())}
    if request.operation == "RegisterTaskDefinition":
        revision = f"{ARN}:task-definition/{given['family']}:1"
        yield action, revision, here
        yield "ecs:TagResource", revision, here | {"ecs:CreateAction": request.operation}
        for role in ("executionRoleArn", "taskRoleArn"):
            if role in given:
                yield "iam:PassRole", given[role], PASSED
        return
    for resource in _resources(given) or [""]:
        yield action, resource, here


def _resources(given: Json) -> list[str]:
    services = [*given.get("services", ()), *[given[k] for k in ("service",) if k in given]]
    if "serviceName" in given and "taskDefinition" in given:
        services.append(given["serviceName"])
    cluster = given.get("cluster", "")
    return [
        *(f"{ARN}:service/{cluster}/{name.rpartition('/')[2]}" for name in services),
        *given.get("tasks", ()),
        *(f"{ARN}:cluster/{name}" for name in given.get("clusters", ())),
        *([given["resourceArn"]] if "resourceArn" in given else []),
    ]


def test_every_request_of_a_deployment_to_ecs_is_allowed_by_its_role(
    shop: Shop, roles: dict[str, list[Json]]
) -> None:
    """A first one, an update, stop, start and rm."""
    shop.deploy(shop.desired({"web": PLAIN}))
    shop.deploy(shop.desired({"web": PLAIN}, version="2"))
    shop.target().stop([])
    shop.target().start([])
    shop.target().remove(volumes=False)
    calls = [call for request in shop.sim.requests for call in in_iam(request)]
    assert {"ecs:CreateService", "ecs:UpdateService", "ecs:DeleteService", "iam:PassRole"} <= {
        action for action, _, _ in calls
    }
    assert [call for call in calls if not allows(roles["shop-dev"], *call)] == []


def test_another_environments_role_is_allowed_nothing_of_it(
    shop: Shop, roles: dict[str, list[Json]]
) -> None:
    shop.deploy(shop.desired({"web": PLAIN}))
    calls = [call for request in shop.sim.requests for call in in_iam(request)]
    assert [call for call in calls if allows(roles["shop-production"], *call)] == []


def test_every_request_of_a_copy_is_allowed_by_the_role_of_where_it_goes(
    tmp_path: Path, roles: dict[str, list[Json]]
) -> None:
    """Pulled in one region, pushed in another; and nothing is pushed to where it was built."""
    with (
        FakeRegistry(tmp_path / "built") as built,
        FakeRegistry(tmp_path / "served") as served,
        Client(Chain(())) as client,
    ):
        image = vouching.push_signed(client, f"{built.address}/shop/web", "web")
        built.requests.clear()
        client.copy(image, f"{served.address}/live/web", whole=True)
    role = roles["shop-production"]
    there = "arn:aws:ecr:us-east-1:111122223333:repository/live/web"
    here = "arn:aws:ecr:eu-west-1:111122223333:repository/shop/web"
    assert "ecr:PutImage" in asked(served)
    assert [a for a in asked(built) if not allows(role, a, here)] == []
    assert [a for a in asked(served) if not allows(role, a, there)] == []
    assert not allows(role, "ecr:PutImage", here)
    assert not allows(roles["shop-dev"], "ecr:PutImage", there)
