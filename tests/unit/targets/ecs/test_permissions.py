"""The least policy, held against the calls that are in the code, in both directions."""

import ast
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import Session
from msgspec.structs import replace

import shipit.targets.ecs
from shipit.model.permission import Permission, policy
from tests.fakes.scheduler import ROLE as SCHEDULER
from tests.unit.targets.ecs.conftest import PLAIN, ROLE, SETTINGS, Shop

SOURCES = Path(shipit.targets.ecs.__file__).parent
PREFIXES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
FREE = {"sts:GetCallerIdentity"}  # IAM User Guide: no permission is needed for it
ELSEWHERE = {"ecr:BatchGetImage"}  # with the registry's permissions
BY_TAGS = {"ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"}  # network.py: from a table
# Asked for by what gives a role away, and by a group that is made with its tags.
IMPLIED = {"iam:PassRole", "scheduler:TagResource"}
TASK_ROLE = "arn:aws:iam::111122223333:role/report"
TIMED = {"x-shipit": {"schedule": "rate(1 hour)"}, "x-ecs": {"task_role": TASK_ROLE}}
# Service Authorization Reference: actions without a resource type of their own. ListTasks has one
# (container instances) that is not asked by; DescribeAlarms gives composite alarms for * alone.
WITHOUT_RESOURCE = {
    *("ecs:ListServices", "ecs:ListTasks", "ecs:DescribeTaskDefinition", "ecs:ListClusters"),
    *("ecs:ListTaskDefinitionFamilies", "ecs:ListTaskDefinitions"),
    *("ecs:DeregisterTaskDefinition", "logs:DescribeLogGroups", "ec2:DescribeSubnets"),
    *("ec2:DescribeSecurityGroups", "application-autoscaling:DescribeScalableTargets"),
    *("elasticloadbalancing:DescribeTargetGroups", "cloudwatch:DescribeAlarms"),
    *("ssm:DescribeParameters", "scheduler:ListSchedules", "events:ListEventBuses"),
    *("events:ListRuleNamesByTarget", "servicequotas:ListServiceQuotas"),
}
FULL: dict[str, Any] = {
    "ports": [{"target": 8080, "protocol": "tcp"}],
    "deploy": {"update_config": {"failure_action": "rollback"}},
    "x-ecs": {
        "alarms": ["errors"],
        "load_balancers": [
            {
                "target_group": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:"
                "targetgroup/web/0123456789abcdef",
                "port": 8080,
            }
        ],
        "secrets": {
            "KEY": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf:json:key:",
            "PARAMETER": "arn:aws:ssm:eu-west-1:111122223333:parameter/shop/key",
        },
    },
}


def called(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Every (service, operation) that the source asks AWS for: they stand side by side in a call,
    whether it is of `call`, `pages` or something around them."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            given = node.args if isinstance(node, ast.Call) else []
            words = [w.value if isinstance(w, ast.Constant) else None for w in given]
            for service, operation in pairwise(words):
                if isinstance(service, str) and operation in operations(service):
                    yield service, str(operation)


@cache
def operations(service: str) -> dict[str, str]:
    """botocore's names of a service's operations, in its client's spelling; none of no service."""
    session = one_session()
    if service not in session.get_available_services():
        return {}
    return {xform_name(n): n for n in session.get_service_model(service).operation_names}


@cache
def one_session() -> Session:
    return Session()


def in_iam(service: str, operation: str) -> str:
    return f"{PREFIXES.get(service, service)}:{operations(service)[operation]}"


def actions(permissions: tuple[Permission, ...]) -> set[str]:
    return {action for one in permissions for action in one.actions}


@pytest.fixture
def permissions(shop: Shop) -> tuple[Permission, ...]:
    shop.settings = replace(SETTINGS, scheduler_role=SCHEDULER)
    desired = shop.desired({"web": FULL, "report": TIMED})
    return tuple(shop.target().permissions(desired, "111122223333"))


def test_what_the_code_calls_is_allowed_and_nothing_else(
    permissions: tuple[Permission, ...],
) -> None:
    deploying = (p for p in sorted(SOURCES.rglob("*.py")) if p.name != "leftovers.py")
    wanted = {in_iam(*call) for call in called(deploying)} | BY_TAGS
    assert wanted - FREE - ELSEWHERE == actions(permissions) - IMPLIED


def test_clearing_needs_what_it_calls_and_nothing_else(
    shop: Shop, permissions: tuple[Permission, ...]
) -> None:
    desired = shop.desired({"web": FULL, "report": TIMED})
    whole = shop.target().permissions(desired, "111122223333", clearing=True)
    wanted = {in_iam(*call) for call in called([SOURCES / "leftovers.py"])}
    assert wanted == actions(tuple(p for p in whole if p not in permissions))


def test_without_schedules_nothing_of_the_scheduler_is_allowed(shop: Shop) -> None:
    permissions = tuple(shop.target().permissions(shop.desired(), "111122223333"))
    assert not [a for a in actions(permissions) if a.startswith("scheduler:")]


def test_what_reached_the_wire_is_allowed_on_its_resources(shop: Shop) -> None:
    """A first deployment, an update, a task, what runs at its times, stop, start and rm."""
    shop.settings = replace(SETTINGS, scheduler_role=SCHEDULER)
    both = {"web": PLAIN, "report": TIMED}
    permissions = tuple(shop.target().permissions(shop.desired(both), "111122223333"))
    shop.deploy(shop.desired(both))
    shop.deploy(shop.desired(both, version="2"))
    shop.target().stop([])
    shop.target().start([])
    shop.target().remove(volumes=False)
    used = {f"ecs:{r.operation}" for r in shop.sim.requests}
    used |= {f"scheduler:{operation}" for operation in shop.scheduler.operations()}
    assert {"ecs:UpdateService", "scheduler:UpdateSchedule"} <= used
    assert used <= actions(permissions)


def test_a_wildcard_is_narrowed_by_a_condition(permissions: tuple[Permission, ...]) -> None:
    assert [p.why for p in permissions if p.resources == ("*",) and not p.condition] == []
    assert [p.why for p in permissions if any("*" in action for action in p.actions)] == []


def test_only_what_takes_no_resource_has_a_wildcard(
    shop: Shop, permissions: tuple[Permission, ...]
) -> None:
    whole = shop.target().permissions(shop.desired(), "111122223333", clearing=True)
    wide = {a for p in (*permissions, *whole) if p.resources == ("*",) for a in p.actions}
    assert wide <= WITHOUT_RESOURCE


def test_a_statements_name_is_letters_and_digits(permissions: tuple[Permission, ...]) -> None:
    """IAM User Guide, "IAM JSON policy elements: Sid"."""
    names = [statement["Sid"] for statement in policy(permissions)["Statement"]]
    assert all(name.isalnum() for name in names)
    assert len(names) == len(set(names))


def test_only_this_environments_services_and_roles(permissions: tuple[Permission, ...]) -> None:
    document = policy(permissions)
    by_action = {a: s for s in document["Statement"] for a in s["Action"]}
    (services,) = by_action["ecs:UpdateService"]["Resource"]
    ours = "arn:aws:ecs:eu-west-1:111122223333:service/prod/"
    assert fnmatch(f"{ours}shop-dev-web", services)
    assert not fnmatch(f"{ours}shop-production-web", services)
    passed = {
        s["Condition"]["StringEquals"]["iam:PassedToService"]: s["Resource"]
        for s in document["Statement"]
        if "iam:PassRole" in s["Action"]
    }
    assert passed == {
        "ecs-tasks.amazonaws.com": [ROLE, TASK_ROLE],
        "scheduler.amazonaws.com": [SCHEDULER],
    }
