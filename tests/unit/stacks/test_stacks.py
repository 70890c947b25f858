"""What stacks/ makes for the reference pipelines, by Pulumi's mocks."""

import importlib
import inspect
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pulumi
import pytest

from shipit.delivery.outputs import filled
from shipit.model.pipeline import EcsTarget, EksTarget, GkeTarget, TargetSettings
from shipit.model.stack import StackRecord
from shipit.model.state import State
from shipit.targets.ecs.render import Network, Setting, capacity
from tests.fakes.pulumi_engine import known
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
WITHOUT_TAGS = {
    *("aws:ec2/route:Route", "aws:ec2/routeTableAssociation:RouteTableAssociation"),
    *("aws:iam/rolePolicy:RolePolicy", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
}
WITHOUT_LABELS = {
    *("gcp:compute/network:Network", "gcp:compute/subnetwork:Subnetwork"),
    *("gcp:compute/router:Router", "gcp:compute/routerNat:RouterNat"),
    *("gcp:projects/iAMMember:IAMMember", "gcp:serviceaccount/account:Account"),
}
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


def test_the_last_environment_is_protected_where_it_does_not_say(tmp_path: Path) -> None:
    stack = "ecs: {region: eu-west-1}"
    for graph, kept in (
        (environment(tmp_path, stack), True),
        (environment(tmp_path, stack, later="production"), False),
        (environment(tmp_path, f"{stack}, protect: false"), False),
        (environment(tmp_path, f"{stack}, protect: true", later="production"), True),
    ):
        made = [r for r in graph.resources if not r.type.startswith("pulumi:")]
        assert {r.protect for r in made} == {kept}


def test_an_up_puts_nothing_back_that_somebody_else_owns(tmp_path: Path) -> None:
    ecs = environment(tmp_path, "ecs: {region: eu-west-1, edge: {certificate: arn}}")
    weights = {r.inputs["port"]: r.ignored for r in ecs.of("aws:lb/listener:Listener")}
    assert weights == {80: (), 443: ("defaultActions",)}
    assert {r.ignored for r in ecs.of("aws:ec2/subnet:Subnet")} == {("availabilityZone",)}
    nodes = environment(tmp_path, "eks: {region: eu-west-1, nodes: {types: [m7i.large]}}")
    group = nodes.one("aws:eks/nodeGroup:NodeGroup")
    assert group.ignored == ("scalingConfig.desiredSize",)
    scaled = environment(tmp_path, "ecs: {region: eu-west-1, instances: {types: [m7i.large]}}")
    assert "desiredCapacity" not in scaled.one("aws:autoscaling/group:Group").inputs


def test_subnets_are_in_zones_that_the_account_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokyo has no b for accounts of today."""
    here = [f"ap-northeast-1{letter}" for letter in "acd"]
    monkeypatch.setitem(known.ZONES, "names", here)
    graph = environment(tmp_path, "ecs: {region: ap-northeast-1}")
    subnets = graph.of("aws:ec2/subnet:Subnet")
    assert [s.inputs["availabilityZone"] for s in subnets] == here * 2
    assert [s.name[-9:] for s in subnets[3:]] == ["-public-a", "-public-b", "-public-c"]

    with pytest.raises(pulumi.RunError, match=r"ap-northeast-1 has 3 zones .* `zones: 3`"):
        environment(tmp_path, "ecs: {region: ap-northeast-1, zones: 4}")


def test_a_control_plane_is_in_zones_that_take_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(known.ZONES, "names", [f"us-east-1{letter}" for letter in "abcd"])
    ids = ["use1-az3", "use1-az1", "use1-az2", "use1-az4"]
    monkeypatch.setitem(known.ZONES, "zoneIds", ids)
    found = {}
    for kind in ("ecs", "eks"):
        graph = environment(tmp_path, f"{kind}: {{region: us-east-1}}")
        zones = {s.inputs["availabilityZone"][-1] for s in graph.of("aws:ec2/subnet:Subnet")}
        found[kind] = "".join(sorted(zones))
    assert found == {"ecs": "abc", "eks": "bcd"}


def test_everything_says_whose_it_is(graph: Graph, reference: tuple[str, str]) -> None:
    for made in graph.resources:
        if made.type.startswith("aws:") and made.type not in WITHOUT_TAGS:
            for tags in tags_of(made):
                assert tags["shipit:app"] == "shop", made.name
                assert tags["shipit:environment"] == reference[1], made.name
        if made.type.startswith("gcp:") and made.type not in WITHOUT_LABELS:
            labels = labels_of(made)
            assert labels["shipit-app"] == "shop", made.name
            assert labels["shipit-environment"] == reference[1], made.name


def tags_of(made: Resource) -> Iterator[dict[str, str]]:
    """Its own, and those of what it makes in its turn."""
    tags = made.inputs["tags"]
    if made.type == "aws:autoscaling/group:Group":
        assert all(tag["propagateAtLaunch"] for tag in tags)
        tags = {tag["key"]: tag["value"] for tag in tags}
    yield tags
    if made.type == "aws:ec2/launchTemplate:LaunchTemplate":
        launched = {one["resourceType"]: one["tags"] for one in made.inputs["tagSpecifications"]}
        assert launched.keys() == {"instance", "volume", "network-interface"}
        yield from launched.values()


def labels_of(made: Resource) -> dict[str, str]:
    if made.type == "gcp:container/nodePool:NodePool":
        found: dict[str, str] = made.inputs["nodeConfig"]["resourceLabels"]
        return found
    labels: dict[str, str] = made.inputs.get("labels") or made.inputs["resourceLabels"]
    return labels


def test_what_is_named_as_taking_no_tags_takes_none() -> None:
    for kind in WITHOUT_TAGS | WITHOUT_LABELS:
        package, module, name = kind.split(":")
        found = importlib.import_module(f"pulumi_{package}.{module.partition('/')[0]}")
        taken = inspect.signature(getattr(found, name)._internal_init).parameters
        assert taken.keys().isdisjoint({"tags", "labels", "resource_labels"}), kind


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


def test_outputs_are_the_settings_of_the_target(graph: Graph, reference: tuple[str, str]) -> None:
    kind = next(
        k for k in TARGETS if any(r.type.startswith(f"foundation:{k}") for r in graph.resources)
    )
    target = TARGETS[kind]
    known = {k: v for k, v in graph.outputs.items() if k in target.__struct_fields__}
    complete = msgspec.convert(known, target)
    required = {
        "ecs": {
            *("region", "cluster", "capacity_providers", "subnets", "security_groups"),
            *("execution_role", "task_role", "log_group"),
        },
        "eks": {"region", "cluster", "namespace"},
        "gke": {"project", "location", "cluster", "endpoint", "namespace"},
    }[kind]
    assert all(getattr(complete, name) for name in required)


def test_a_control_plane_without_an_address_outside_is_reached_by_its_name(
    graphs: dict[tuple[str, str], Graph],
) -> None:
    graph = graphs["gke", "staging"]
    cluster = graph.one("gcp:container/cluster:Cluster").inputs
    assert cluster["privateClusterConfig"]["enablePrivateEndpoint"] is True
    assert cluster["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]["allowExternalTraffic"]
    assert graph.outputs["endpoint"] == "dns"


@pytest.mark.parametrize(
    ("written", "providers", "base"),
    [
        ("", {"FARGATE": 1}, {"FARGATE": 1}),
        ("spot: true", {"FARGATE": 1, "FARGATE_SPOT": 3}, {"FARGATE": 1, "FARGATE_SPOT": 0}),
        ("instances: {types: [m7i.large]}", {"shop-qa-id": 1}, {"shop-qa-id": 0}),
    ],
)
def test_tasks_run_on_what_the_stack_has(
    tmp_path: Path, written: str, providers: dict[str, int], base: dict[str, int]
) -> None:
    """A launch type would go past Spot, and past the scaling of instances."""
    graph = environment(tmp_path, f"ecs: {{region: eu-west-1, {written}}}")
    chosen = graph.one("aws:ecs/clusterCapacityProviders:ClusterCapacityProviders").inputs
    default = chosen["defaultCapacityProviderStrategies"]
    assert {one["capacityProvider"]: one["weight"] for one in default} == providers
    assert {one["capacityProvider"]: one["base"] for one in default} == base
    assert chosen["capacityProviders"][:2] == ["FARGATE", "FARGATE_SPOT"]
    assert graph.outputs["capacity_providers"] == providers

    found = provisioned(EcsTarget(stack="qa"), graph)
    setting = Setting(found, "shop-qa", "/ecs/shop-qa", found.region, Network())
    sent = capacity(setting)["capacityProviderStrategy"]
    assert {one["capacityProvider"]: one["weight"] for one in sent} == providers
    assert setting.fargate is ("FARGATE" in providers)


def provisioned(target: EcsTarget, graph: Graph) -> EcsTarget:
    """The target as a deployment has it, once the stack is on record."""
    record = StackRecord(graph.outputs, datetime.now(UTC), "ada")
    state = State(stacks={target.stack: record})
    found = filled(TargetSettings(ecs=target), target.stack, target.stack, state).settings
    assert isinstance(found, EcsTarget)
    return found


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
    graph = environment(tmp_path, "ecs: {region: eu-west-1}", f"registry: {registry}")
    found = {statement["Sid"]: statement for _, statement in policies(graph)}
    assert found["Pull"]["Resource"] == [arn]
    assert found["LogIn"]["Condition"] == {"StringEquals": {"aws:RequestedRegion": region}}


def test_a_registry_that_is_not_ecr_needs_no_right_in_aws(tmp_path: Path) -> None:
    graph = environment(tmp_path, "ecs: {region: eu-west-1}", "registry: ghcr.io/acme")
    assert not [a for _, statement in policies(graph) for a in statement["Action"] if "ecr:" in a]


def test_an_environments_own_registry_is_the_one_it_pulls_from(tmp_path: Path) -> None:
    own = "444455556666.dkr.ecr.us-east-1.amazonaws.com/acme"
    stack = "ecs: {region: eu-west-1}"
    graph = environment(tmp_path, stack, "registry: ghcr.io/a", own=f"registry: {own}")
    found = {statement["Sid"]: statement for _, statement in policies(graph)}
    assert found["Pull"]["Resource"] == ["arn:aws:ecr:us-east-1:444455556666:repository/acme/*"]


def test_what_is_typed_in_a_session_reaches_the_log_group(tmp_path: Path) -> None:
    """By the task's own role: the cluster says where, ECS does not write it."""
    graph = environment(tmp_path, "ecs: {region: eu-west-1}")
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
    without = environment(tmp_path, "ecs: {region: eu-west-1, exec: false}")
    assert "shop-qa-exec" not in {r.name for r in without.resources}


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
        (
            "ecs: {region: a, spot: true, instances: {types: [m7i.large]}}",
            "environments.qa.stack.ecs.spot: it is for Fargate",
        ),
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


def environment(
    folder: Path, stack: str, beside: str = "", *, own: str = "deadline: 5m", later: str = ""
) -> Graph:
    """Of `qa`, which is the last one but for `later`. `own` are settings beside its stack."""
    path = folder / "shipit.yaml"
    path.write_text(
        f"app: shop\n{beside}\nenvironments:\n  dev: {{target: {{docker: {{}}}}}}\n"
        f"  qa: {{after: dev, target: {{docker: {{}}}}, {own}, stack: {{{stack}}}}}\n"
        + (f"  {later}: {{after: qa, target: {{docker: {{}}}}}}\n" if later else "")
    )
    return of_environment(path, "qa")
