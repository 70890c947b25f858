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

import shipit.targets.ecs
from shipit.model.permission import Permission, policy
from tests.unit.targets.ecs.conftest import ROLE, Shop

SOURCES = Path(shipit.targets.ecs.__file__).parent
PREFIXES = {"elbv2": "elasticloadbalancing"}
FREE = {"sts:GetCallerIdentity"}  # IAM User Guide: no permission is needed for it
ELSEWHERE = {"ecr:DescribeImages"}  # with the registry's permissions
BY_TAGS = {"ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"}  # network.py: from a table
IMPLIED = {"iam:PassRole"}  # asked for by what gives a role away
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
    return tuple(shop.target().permissions(shop.desired({"web": FULL}), "111122223333"))


def test_what_the_code_calls_is_allowed_and_nothing_else(
    permissions: tuple[Permission, ...],
) -> None:
    deploying = (p for p in sorted(SOURCES.rglob("*.py")) if p.name != "leftovers.py")
    wanted = {in_iam(*call) for call in called(deploying)} | BY_TAGS
    assert wanted - FREE - ELSEWHERE == actions(permissions) - IMPLIED


def test_clearing_needs_what_it_calls_and_nothing_else(
    shop: Shop, permissions: tuple[Permission, ...]
) -> None:
    whole = shop.target().permissions(shop.desired({"web": FULL}), "111122223333", clearing=True)
    wanted = {in_iam(*call) for call in called([SOURCES / "leftovers.py"])}
    assert wanted == actions(tuple(p for p in whole if p not in permissions))


def test_what_reached_the_wire_is_allowed_on_its_resources(shop: Shop) -> None:
    """A first deployment, an update, a task, stop, start and rm."""
    permissions = tuple(shop.target().permissions(shop.desired(), "111122223333"))
    shop.deploy(shop.desired())
    shop.deploy(shop.desired(version="2"))
    shop.target().stop([])
    shop.target().start([])
    shop.target().remove(volumes=False)
    used = {f"ecs:{r.operation}" for r in shop.sim.requests}
    assert "ecs:UpdateService" in used
    assert used <= actions(permissions)


def test_a_wildcard_is_narrowed_by_a_condition(permissions: tuple[Permission, ...]) -> None:
    assert [p.why for p in permissions if p.resources == ("*",) and not p.condition] == []
    assert [p.why for p in permissions if any("*" in action for action in p.actions)] == []


def test_only_this_environments_services_and_roles(permissions: tuple[Permission, ...]) -> None:
    document = policy(permissions)
    by_action = {a: s for s in document["Statement"] for a in s["Action"]}
    (services,) = by_action["ecs:UpdateService"]["Resource"]
    ours = "arn:aws:ecs:eu-west-1:111122223333:service/prod/"
    assert fnmatch(f"{ours}shop-dev-web", services)
    assert not fnmatch(f"{ours}shop-production-web", services)
    assert by_action["iam:PassRole"]["Resource"] == [ROLE]
    assert by_action["iam:PassRole"]["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }
