"""What stacks/ makes for the reference pipelines, by Pulumi's mocks."""

import importlib
import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

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
    of_settings,
    prepared,
    snapshot,
)

TARGETS = {"ecs": EcsTarget, "eks": EksTarget, "gke": GkeTarget}
# What the clouds take of a name.
LONGEST = {
    "aws:lb/loadBalancer:LoadBalancer": 32,
    "aws:lb/targetGroup:TargetGroup": 32,
    "gcp:container/cluster:Cluster": 40,
    "gcp:serviceaccount/account:Account": 30,
}
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
        (of_settings(tmp_path, stack), True),
        (of_settings(tmp_path, stack, later="production"), False),
        (of_settings(tmp_path, f"{stack}, protect: false"), False),
        (of_settings(tmp_path, f"{stack}, protect: true", later="production"), True),
    ):
        made = [r for r in graph.resources if not r.type.startswith("pulumi:")]
        assert {r.protect for r in made} == {kept}


def test_an_up_puts_nothing_back_that_somebody_else_owns(tmp_path: Path) -> None:
    ecs = of_settings(tmp_path, "ecs: {region: eu-west-1, edge: {certificate: arn}}")
    weights = {r.inputs["port"]: r.ignored for r in ecs.of("aws:lb/listener:Listener")}
    assert weights == {80: (), 443: ("defaultActions",)}
    assert {r.ignored for r in ecs.of("aws:ec2/subnet:Subnet")} == {("availabilityZone",)}
    nodes = of_settings(tmp_path, "eks: {region: eu-west-1, nodes: {types: [m7i.large]}}")
    group = nodes.one("aws:eks/nodeGroup:NodeGroup")
    assert group.ignored == ("scalingConfig.desiredSize",)
    scaled = of_settings(tmp_path, "ecs: {region: eu-west-1, instances: {types: [m7i.large]}}")
    assert "desiredCapacity" not in scaled.one("aws:autoscaling/group:Group").inputs


def test_subnets_are_in_zones_that_the_account_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokyo has no b for accounts of today."""
    here = [f"ap-northeast-1{letter}" for letter in "acd"]
    monkeypatch.setitem(known.ZONES, "names", here)
    graph = of_settings(tmp_path, "ecs: {region: ap-northeast-1}")
    subnets = graph.of("aws:ec2/subnet:Subnet")
    assert [s.inputs["availabilityZone"] for s in subnets] == here * 2
    assert [s.name[-9:] for s in subnets[3:]] == ["-public-a", "-public-b", "-public-c"]

    with pytest.raises(pulumi.RunError, match=r"ap-northeast-1 has 3 zones .* `zones: 3`"):
        of_settings(tmp_path, "ecs: {region: ap-northeast-1, zones: 4}")


def test_a_control_plane_is_in_zones_that_take_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(known.ZONES, "names", [f"us-east-1{letter}" for letter in "abcd"])
    ids = ["use1-az3", "use1-az1", "use1-az2", "use1-az4"]
    monkeypatch.setitem(known.ZONES, "zoneIds", ids)
    found = {}
    for kind in ("ecs", "eks"):
        graph = of_settings(tmp_path, f"{kind}: {{region: us-east-1}}")
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
    graph = of_settings(tmp_path, f"ecs: {{region: eu-west-1, {written}}}")
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


def test_a_long_name_is_one_that_a_cloud_takes_and_no_other_ones(tmp_path: Path) -> None:
    app = "international-storefront-and-catalogue-of-the-group"
    edge = "edge: {certificate: arn, port: 65535}"
    stacks = (f"ecs: {{region: eu-west-1, {edge}}}", "gke: {project: a, location: b-1}")
    names = []
    for environment in ("qa", "q2"):
        for stack in stacks:
            graph = of_settings(tmp_path, stack, app=app, environment=environment)
            for kind, most in LONGEST.items():
                for made in graph.of(kind):
                    name = made.inputs.get("name") or made.inputs["accountId"]
                    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name), name
                    assert len(name) <= most, name
                    names.append((kind, name))
    assert len(names) == 2 * (3 + 2)
    assert len(set(names)) == len(names)


def test_a_balancer_for_others_is_made_before_the_one_it_replaces_goes(tmp_path: Path) -> None:
    """AWS has no two of a name, and makes another scheme or port anew."""
    inside = of_settings(tmp_path, "ecs: {region: eu-west-1, edge: {certificate: arn}}")
    allow = "edge: {certificate: arn, port: 9000, allow: [0.0.0.0/0]}"
    outside = of_settings(tmp_path, f"ecs: {{region: eu-west-1, {allow}}}")
    for kind in ("aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup"):
        names = [{r.inputs["name"] for r in graph.of(kind)} for graph in (inside, outside)]
        assert not names[0] & names[1], names


def test_labels_are_such_as_google_takes(tmp_path: Path) -> None:
    stack = "gke: {project: a, location: b-1}, tags: {Cost.Centre: 'R&D: Team A'}"
    cluster = of_settings(tmp_path, stack).one("gcp:container/cluster:Cluster")
    assert cluster.inputs["resourceLabels"]["cost-centre"] == "r-d--team-a"


@pytest.mark.parametrize("app", ["aws-shop", "ecs-shop", "fargate-shop"])
def test_a_capacity_providers_name_begins_as_ecs_takes_it(tmp_path: Path, app: str) -> None:
    stack = "ecs: {region: eu-west-1, instances: {types: [m7i.large]}}"
    graph = of_settings(tmp_path, stack, app=app)
    assert graph.one("aws:ecs/capacityProvider:CapacityProvider").name == f"on-{app}-qa"
    assert graph.outputs["capacity_providers"] == {f"on-{app}-qa-id": 1}


def provisioned(target: EcsTarget, graph: Graph) -> EcsTarget:
    """The target as a deployment has it, once the stack is on record."""
    record = StackRecord(graph.outputs, datetime.now(UTC), "ada")
    state = State(stacks={target.stack: record})
    found = filled(TargetSettings(ecs=target), target.stack, target.stack, state).settings
    assert isinstance(found, EcsTarget)
    return found


def test_tasks_and_nodes_have_no_public_address(graph: Graph) -> None:
    for subnet in graph.of("aws:ec2/subnet:Subnet"):
        assert subnet.inputs["mapPublicIpOnLaunch"] is False
    for cluster in graph.of("gcp:container/cluster:Cluster"):
        assert cluster.inputs["privateClusterConfig"]["enablePrivateNodes"] is True


def test_no_public_endpoint_where_none_is_asked_for(tmp_path: Path) -> None:
    eks = of_settings(tmp_path, "eks: {region: eu-west-1}")
    network = eks.one("aws:eks/cluster:Cluster").inputs["vpcConfig"]
    assert network["endpointPrivateAccess"] is True
    assert network["endpointPublicAccess"] is False
    gke = of_settings(tmp_path, "gke: {project: acme, location: europe-west1}")
    private = gke.one("gcp:container/cluster:Cluster").inputs["privateClusterConfig"]
    assert private["enablePrivateEndpoint"] is True
    ecs = of_settings(tmp_path, "ecs: {region: eu-west-1, edge: {certificate: arn}}")
    assert ecs.one("aws:lb/loadBalancer:LoadBalancer").inputs["internal"] is True
    for group in ecs.of("aws:ec2/securityGroup:SecurityGroup"):
        for rule in group.inputs.get("ingress") or ():
            assert "0.0.0.0/0" not in rule.get("cidrBlocks", ())


def test_tasks_are_reached_by_each_other_and_the_load_balancer_alone(tmp_path: Path) -> None:
    """Service Connect goes from task to task."""
    for edge, port in (("", None), (", edge: {certificate: arn, port: 9000}", 9000)):
        graph = of_settings(tmp_path, f"ecs: {{region: eu-west-1{edge}}}")
        (tasks,) = [
            r.inputs["ingress"]
            for r in graph.of("aws:ec2/securityGroup:SecurityGroup")
            if r.name.endswith("-tasks")
        ]
        own, *balancer = tasks
        assert (own["self"], own["fromPort"], own["toPort"]) == (True, 0, 65535)
        assert [rule["fromPort"] for rule in balancer] == ([port] if port else [])
        assert not any("cidrBlocks" in rule for rule in tasks)


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
        of_settings(tmp_path, stack)
    assert said in str(raised.value)
    assert "shipit.yaml: environments.qa.stack" in str(raised.value)


def test_an_environment_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(pulumi.RunError, match="has no environment nowhere"):
        of_environment(prepared("gke", tmp_path), "nowhere")
