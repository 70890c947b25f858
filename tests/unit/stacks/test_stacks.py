"""What stacks/ makes for the reference pipelines, by Pulumi's mocks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pulumi
import pytest

from shipit.model.pipeline import EcsTarget, EksTarget, GkeTarget
from tests.fakes.pulumi_engine.graph import (
    Graph,
    Resource,
    of_environment,
    prepared,
    references,
    snapshot,
)

REFERENCES = [*references()]
TARGETS = {"ecs": EcsTarget, "eks": EksTarget, "gke": GkeTarget}
# AWS takes no resource for these (Service Authorization Reference); a region narrows them.
WITHOUT_RESOURCE = ("ecr:GetAuthorizationToken", "ssmmessages:", "acm:", "ec2:Describe")
WITHOUT_TAGS = (
    *("Route", "RouteTableAssociation", "RolePolicy", "RolePolicyAttachment"),
    *("ClusterCapacityProviders", "AccessPolicyAssociation", "Group", "Alias"),
)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Graph]:
    return {
        (pipeline, environment): of_environment(
            prepared(pipeline, tmp_path_factory.mktemp(pipeline)), environment
        )
        for pipeline, environment in REFERENCES
    }


@pytest.fixture(params=REFERENCES, ids="-".join)
def reference(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def graph(graphs: dict[tuple[str, str], Graph], reference: tuple[str, str]) -> Graph:
    return graphs[reference]


def test_the_graph_is_as_it_was_reviewed(graph: Graph, reference: tuple[str, str]) -> None:
    """`python -m tests.fakes.pulumi_engine.graph` writes it anew."""
    assert graph.text() == snapshot(*reference).read_text()


def test_the_last_environment_is_protected_and_its_kinds_of_deletion_too(
    graph: Graph, reference: tuple[str, str]
) -> None:
    made = [r for r in graph.resources if not r.type.startswith("pulumi:")]
    production = reference[1] == "production"
    assert {r.protect for r in made} == {production}
    for kind, key in (
        ("aws:lb/loadBalancer:LoadBalancer", "enableDeletionProtection"),
        ("aws:eks/cluster:Cluster", "deletionProtection"),
        ("gcp:container/cluster:Cluster", "deletionProtection"),
    ):
        assert all(r.inputs[key] is production for r in graph.of(kind))


def test_everything_says_whose_it_is(graph: Graph, reference: tuple[str, str]) -> None:
    for made in graph.resources:
        if not made.type.startswith("aws:") or made.type.endswith(WITHOUT_TAGS):
            continue
        tags = made.inputs["tags"]
        assert tags["shipit:app"] == "shop", made.name
        assert tags["shipit:environment"] == reference[1], made.name


def policies(graph: Graph) -> Iterator[tuple[Resource, dict[str, Any]]]:
    for role in graph.of("aws:iam/rolePolicy:RolePolicy"):
        for statement in json.loads(role.inputs["policy"])["Statement"]:
            yield role, statement


def test_no_wildcard_in_a_policy(graph: Graph) -> None:
    for role, statement in policies(graph):
        assert not [a for a in statement["Action"] if "*" in a], role.name
        for resource in statement["Resource"]:
            if resource != "*":
                continue
            assert statement["Condition"]["StringEquals"]["aws:RequestedRegion"]
            unexpected = [a for a in statement["Action"] if not a.startswith(WITHOUT_RESOURCE)]
            assert [a for a in unexpected if ":Describe" not in a] == [], role.name


def test_outputs_are_the_settings_of_the_target(graph: Graph, reference: tuple[str, str]) -> None:
    kind = next(
        k for k in TARGETS if any(r.type.startswith(f"foundation:{k}") for r in graph.resources)
    )
    target = TARGETS[kind]
    known = {k: v for k, v in graph.outputs.items() if k in target.__struct_fields__}
    complete = msgspec.convert(known, target)
    required = {
        "ecs": {"region", "cluster", "subnets", "security_groups", "execution_role", "task_role"},
        "eks": {"region", "cluster", "namespace"},
        "gke": {"project", "location", "cluster", "namespace"},
    }[kind]
    assert all(getattr(complete, name) for name in required)


def test_tasks_and_nodes_have_no_public_address(graph: Graph) -> None:
    for subnet in graph.of("aws:ec2/subnet:Subnet"):
        assert subnet.inputs["mapPublicIpOnLaunch"] is False
    for cluster in graph.of("gcp:container/cluster:Cluster"):
        assert cluster.inputs["privateClusterConfig"]["enablePrivateNodes"] is True


def test_no_public_endpoint_where_none_is_asked_for(tmp_path: Path) -> None:
    eks = environment(tmp_path, "eks: {region: eu-west-1}")
    network = eks.one("aws:eks/cluster:Cluster").inputs["vpcConfig"]
    assert network["endpointPrivateAccess"] is True
    assert network["endpointPublicAccess"] is False
    gke = environment(tmp_path, "gke: {project: acme, location: europe-west1}")
    private = gke.one("gcp:container/cluster:Cluster").inputs["privateClusterConfig"]
    assert private["enablePrivateEndpoint"] is True
    ecs = environment(tmp_path, "ecs: {region: eu-west-1, edge: {certificate: arn}}")
    assert ecs.one("aws:lb/loadBalancer:LoadBalancer").inputs["internal"] is True
    for group in ecs.of("aws:ec2/securityGroup:SecurityGroup"):
        for rule in group.inputs.get("ingress") or ():
            assert "0.0.0.0/0" not in rule.get("cidrBlocks", ())


def test_what_is_at_rest_is_encrypted(graph: Graph) -> None:
    for cluster in graph.of("aws:eks/cluster:Cluster"):
        encryption = cluster.inputs["encryptionConfig"]
        assert encryption["resources"] == ["secrets"]
        assert encryption["provider"]["keyArn"].startswith("arn:aws:kms:")
    for key in graph.of("aws:kms/key:Key"):
        assert key.inputs["enableKeyRotation"] is True
    for template in graph.of("aws:ec2/launchTemplate:LaunchTemplate"):
        assert template.inputs["metadataOptions"]["httpTokens"] == "required"
        for disk in template.inputs["blockDeviceMappings"]:
            assert disk["ebs"]["encrypted"] == "true"


def test_https_alone_with_two_target_groups(graphs: dict[tuple[str, str], Graph]) -> None:
    graph = graphs["ecs-fargate", "production"]
    listeners = {r.inputs["port"]: r for r in graph.of("aws:lb/listener:Listener")}
    redirect = listeners[80].inputs["defaultActions"][0]["redirect"]
    assert (redirect["protocol"], redirect["statusCode"]) == ("HTTPS", "HTTP_301")
    assert "TLS13" in listeners[443].inputs["sslPolicy"]
    groups = listeners[443].inputs["defaultActions"][0]["forward"]["targetGroups"]
    assert [group["weight"] for group in groups] == [100, 0]


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ("ecs: {region: eu-west-1, zone: 2}", "qa.stack.ecs: Object contains unknown"),
        (
            "ecs: {region: eu-west-1, zones: 9}",
            "environments.qa.stack.ecs.zones: Expected `int` <= 4",
        ),
        ("ecs: {region: a}, gke: {project: a, location: b}", "ecs and gke are both here"),
        ("tags: {a: b}", "no kind of stack is here; name one of ecs, eks, gke"),
        ("gke: {project: acme}", "missing required field `location`"),
    ],
)
def test_settings_that_are_wrong_are_one_sentence(tmp_path: Path, stack: str, said: str) -> None:
    with pytest.raises(pulumi.RunError) as raised:
        environment(tmp_path, stack)
    assert said in str(raised.value)
    assert "shipit.yaml: environments.qa.stack" in str(raised.value)


def test_an_environment_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(pulumi.RunError, match="has no environment nowhere"):
        of_environment(prepared("gke", tmp_path), "nowhere")


def environment(folder: Path, stack: str) -> Graph:
    path = folder / "shipit.yaml"
    path.write_text(
        "app: shop\nenvironments:\n  dev: {target: {docker: {}}}\n"
        f"  qa: {{after: dev, target: {{docker: {{}}}}, stack: {{{stack}}}}}\n"
    )
    return of_environment(path, "qa")
