"""What the stacks' roles may do: no more than is said here, each wide statement with its reason."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.pulumi_engine.graph import Graph, Resource, of_settings

# What these ask for is no resource, or every one of a region: AWS takes nothing but `*` (Service
# Authorization Reference). A region narrows them.
EVERYWHERE = {
    "ecr:GetAuthorizationToken": "a token is for all repositories",
    **dict.fromkeys(
        (
            *("ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel"),
            *("ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"),
        ),
        "a channel is no resource",
    ),
    "logs:DescribeLogGroups": "the agent of a session looks for its log group by listing them",
    **dict.fromkeys(
        ("ec2:GetCoipPoolUsage", "ec2:GetSecurityGroupsForVpc"), "describes, by another name"
    ),
    **dict.fromkeys(
        ("acm:ListCertificates", "acm:DescribeCertificate"),
        "a host's certificate is found by looking at each",
    ),
}
# Names that are not known before something runs, each under one that is.
UNDER = {
    "arn:aws:ecr:eu-west-1:111122223333:repository/shop/*": "an image for each service",
    "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/{environment}/*": "the app's own",
    "arn:aws:ssm:eu-west-1:111122223333:parameter/shop/{environment}/*": "the app's own",
    "arn:aws:logs:eu-west-1:111122223333:log-group:/ecs/shop-{environment}:log-stream:*": (
        "a stream for each task"
    ),
    "arn:aws:logs:eu-west-1:111122223333:log-group:/ecs/shop-{environment}:*": (
        "a stream for each session"
    ),
}
MARK = "elbv2.k8s.aws/cluster"


def policies(graph: Graph) -> Iterator[tuple[Resource, dict[str, Any]]]:
    for role in graph.of("aws:iam/rolePolicy:RolePolicy"):
        for statement in json.loads(role.inputs["policy"])["Statement"]:
            yield role, statement


def test_no_wildcard_in_a_policy(graph: Graph, reference: tuple[str, str]) -> None:
    for role, statement in policies(graph):
        assert not [action for action in statement["Action"] if "*" in action], role.name
        for resource in statement["Resource"]:
            if "*" in resource:
                assert may_be_wide(statement, resource, reference[1]), (role.name, resource)
    for role in graph.of("aws:iam/role:Role"):
        for statement in json.loads(role.inputs["assumeRolePolicy"])["Statement"]:
            assert "*" not in json.dumps(statement), role.name


def may_be_wide(statement: dict[str, Any], resource: str, environment: str) -> bool:
    """What takes no resource, in its region; what is under a name of ours; or what a cluster has
    marked as its own."""
    when = statement.get("Condition", {}).get("StringEquals", {})
    if resource == "*":
        unlisted = [a for a in statement["Action"] if not describes(a) and a not in EVERYWHERE]
        return when.get("aws:RequestedRegion") == "eu-west-1" and not unlisted
    marks = [when.get(f"aws:{whose}Tag/{MARK}") for whose in ("Request", "Resource")]
    if f"shop-{environment}" in marks:
        return resource.startswith(f"arn:aws:{statement['Action'][0].partition(':')[0]}:eu-west-1:")
    return resource in {one.format(environment=environment) for one in UNDER}


def describes(action: str) -> bool:
    """In these two services nothing that describes takes a resource."""
    service, _, verb = action.partition(":")
    return service in ("ec2", "elasticloadbalancing") and verb.startswith("Describe")


def test_the_load_balancer_controller_changes_what_its_cluster_made(
    graphs: dict[tuple[str, str], Graph],
) -> None:
    (role,) = (
        role
        for role in graphs["eks", "production"].of("aws:iam/rolePolicy:RolePolicy")
        if role.name == "shop-production-balancer"
    )
    assert len(role.inputs["policy"].replace(" ", "")) < 10_240  # IAM's quota for a role's own
    allowed = [
        (action, resource, statement.get("Condition", {}).get("StringEquals", {}))
        for statement in json.loads(role.inputs["policy"])["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    ]
    for action, resource, when in allowed:
        verb = action.partition(":")[2]
        if verb.startswith(("Delete", "Modify", "Set", "Deregister", "Remove")):
            assert when == {f"aws:ResourceTag/{MARK}": "shop-production"}, action
        if verb.startswith(("Create", "Add")) and resource.endswith("*"):
            marks = [when.get(f"aws:{whose}Tag/{MARK}") for whose in ("Request", "Resource")]
            assert "shop-production" in marks, action
    known = {action for action, _, _ in allowed}
    assert {
        *("elasticloadbalancing:DescribeListenerAttributes", "ec2:GetSecurityGroupsForVpc"),
        *("elasticloadbalancing:ModifyListenerAttributes", "iam:CreateServiceLinkedRole"),
    } <= known
    reached = {r for a, r, when in allowed if a == "ec2:AuthorizeSecurityGroupIngress" and not when}
    assert reached == {"arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0123456789abcdef0"}


@pytest.mark.parametrize(
    ("registry", "arn", "region"),
    [
        (
            "444455556666.dkr.ecr.us-east-1.amazonaws.com/acme",
            "arn:aws:ecr:us-east-1:444455556666:repository/acme/*",
            "us-east-1",
        ),
        (
            "444455556666.dkr.ecr.eu-west-1.amazonaws.com",
            "arn:aws:ecr:eu-west-1:444455556666:repository/*",
            "eu-west-1",
        ),
    ],
)
def test_images_are_pulled_from_the_registry_wherever_it_is(
    tmp_path: Path, registry: str, arn: str, region: str
) -> None:
    graph = of_settings(tmp_path, "ecs: {region: eu-west-1}", f"registry: {registry}")
    found = {statement["Sid"]: statement for _, statement in policies(graph)}
    assert found["Pull"]["Resource"] == [arn]
    assert found["LogIn"]["Condition"] == {"StringEquals": {"aws:RequestedRegion": region}}


def test_a_registry_that_is_not_ecr_needs_no_right_in_aws(tmp_path: Path) -> None:
    graph = of_settings(tmp_path, "ecs: {region: eu-west-1}", "registry: ghcr.io/acme")
    assert not [a for _, statement in policies(graph) for a in statement["Action"] if "ecr:" in a]


def test_an_environments_own_registry_is_the_one_it_pulls_from(tmp_path: Path) -> None:
    own = "444455556666.dkr.ecr.us-east-1.amazonaws.com/acme"
    stack = "ecs: {region: eu-west-1}"
    graph = of_settings(tmp_path, stack, "registry: ghcr.io/a", own=f"registry: {own}")
    found = {statement["Sid"]: statement for _, statement in policies(graph)}
    assert found["Pull"]["Resource"] == ["arn:aws:ecr:us-east-1:444455556666:repository/acme/*"]


@pytest.mark.parametrize(
    ("registry", "project"),
    [
        ("europe-west1-docker.pkg.dev/images/shop", "images"),
        ("europe-docker.pkg.dev/images", "images"),
        ("ghcr.io/acme", "acme"),
    ],
)
def test_nodes_read_the_project_that_the_registry_is_in(
    tmp_path: Path, registry: str, project: str
) -> None:
    stack = "gke: {project: acme, location: europe-west1}"
    graph = of_settings(tmp_path, stack, f"registry: {registry}")
    granted = {
        r.inputs["role"]: r.inputs["project"] for r in graph.of("gcp:projects/iAMMember:IAMMember")
    }
    assert granted == {
        "roles/container.defaultNodeServiceAccount": "acme",
        "roles/artifactregistry.reader": project,
    }


def test_what_is_typed_in_a_session_reaches_the_log_group(tmp_path: Path) -> None:
    """By the task's own role: the cluster says where, ECS does not write it."""
    graph = of_settings(tmp_path, "ecs: {region: eu-west-1}")
    command = graph.one("aws:ecs/cluster:Cluster").inputs["configuration"]
    assert command["executeCommandConfiguration"]["logging"] == "OVERRIDE"
    (role,) = (
        role for role in graph.of("aws:iam/rolePolicy:RolePolicy") if role.name == "shop-qa-exec"
    )
    found = {s["Sid"]: s for s in json.loads(role.inputs["policy"])["Statement"]}
    assert found["FindLogs"]["Action"] == ["logs:DescribeLogGroups"]
    assert set(found["KeepSessions"]["Action"]) == {
        *("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
    }
    assert found["KeepSessions"]["Resource"] == [
        "arn:aws:logs:eu-west-1:111122223333:log-group:/ecs/shop-qa:*"
    ]
    without = of_settings(tmp_path, "ecs: {region: eu-west-1, exec: false}")
    assert "shop-qa-exec" not in {r.name for r in without.resources}
