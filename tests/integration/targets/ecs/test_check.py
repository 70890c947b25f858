"""What `shipit check` finds in an account before a deployment does: each thing by itself."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from shipit.model import source
from shipit.model.deployment import Desired
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.targets.ecs import own
from tests.fakes.policy_simulator import PolicySimulator
from tests.integration.targets.ecs.conftest import IMAGE, Account

pytestmark = pytest.mark.aws

PLACE = "arn:aws:{}:eu-west-1:123456789012:{}"
SECRET = PLACE.format("secretsmanager", "secret:db-AbCdEf")
PARAMETER = PLACE.format("ssm", "parameter/shop/key")
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PULL = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]


def push(account: Account, *architectures: str, whole: bool = True) -> Image:
    """An index in ECR with a manifest for each; not `whole`: the index alone."""
    ecr = account.client("ecr")
    ecr.create_repository(repositoryName="shop/web")
    children = []
    for one in architectures:
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"digest": str(Digest.of(one.encode())), "size": 1},
                "layers": [],
            }
        )
        digest = str(Digest.of(body.encode()))
        if whole:
            made = ecr.put_image(
                repositoryName="shop/web", imageManifest=body, imageManifestMediaType=MANIFEST
            )
            digest = made["image"]["imageId"]["imageDigest"]  # moto's digests are its own
        platform = {"os": "linux", "architecture": one}
        children.append(
            {"mediaType": MANIFEST, "digest": digest, "size": len(body), "platform": platform}
        )
    body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children})
    made = ecr.put_image(
        repositoryName="shop/web",
        imageManifest=body,
        imageManifestMediaType=INDEX,
        imageTag="latest",
    )
    return Image(REPOSITORY, Digest(made["image"]["imageId"]["imageDigest"]))


def test_what_is_missing_is_found_each_by_itself(account: Account) -> None:
    account.settings = replace(
        account.settings,
        log_group="/ours",
        execution_role="arn:aws:iam::123456789012:role/nobody",
    )
    secrets = {"A": SECRET, "B": PARAMETER}
    found = account.found(account.desired(**{"x-ecs": {"secrets": secrets, "alarms": ["errors"]}}))
    errors = {subject: f.what for subject, f in found.items() if f.level == "error"}
    assert set(errors) == {"log group", "execution role", "secrets", "alarms"}
    assert errors["log group"] == "there is no /ours"
    assert errors["execution role"].startswith("AWS refused iam:GetRole: NoSuchEntity")
    assert errors["alarms"] == "there is no alarm errors"


def test_every_secret_is_looked_at_and_no_value_is_asked_for(account: Account) -> None:
    made = account.client("secretsmanager").create_secret(Name="db", SecretString="hunter2")
    account.client("ssm").put_parameter(Name="/shop/key", Value="hunter2", Type="SecureString")
    secrets = {"A": f"{made['ARN']}:password::", "B": PARAMETER, "C": SECRET}
    found = list(account.target().check(account.desired(**{"x-ecs": {"secrets": secrets}})))
    said = [(f.level, f.what) for f in found if f.subject == "secrets"]
    assert {what for level, what in said if level == "ok"} == {secrets["A"], PARAMETER}
    (missing,) = [what for level, what in said if level == "error"]
    assert "ResourceNotFoundException" in missing
    assert "hunter2" not in str(found)


def test_an_image_and_the_platform_of_its_tasks_are_there(account: Account) -> None:
    account.images = {"web": push(account, "amd64", "arm64")}
    short = account.images["web"].digest.short
    for platform in ("amd64", "arm64"):
        desired = account.desired(platform=f"linux/{platform}")
        assert account.said(desired, "images web") == [
            ("ok", f"{short} is in shop/web for linux/{platform}")
        ]


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ({}, "is not in shop/web"),
        ({"architectures": ["arm64"]}, "is not for linux/amd64"),
        (
            {"architectures": ["amd64"], "whole": False},
            "is in shop/web without what its index has for linux/amd64",
        ),
    ],
    ids=["no image", "another platform", "an index without its children"],
)
def test_18_an_image_that_is_not_whole_is_found(
    account: Account, there: dict[str, Any], says: str
) -> None:
    if there:
        image = push(account, *there["architectures"], whole=there.get("whole", True))
    else:
        image = replace(push(account, "amd64"), digest=Digest.of(b"not pushed"))
    account.images = {"web": image}
    assert account.said(account.desired(), "images web") == [
        ("error", f"{image.digest.short} {says}")
    ]


def test_a_repository_that_is_not_there(account: Account) -> None:
    account.images = {"web": Image(REPOSITORY, Digest.of(b"1"))}
    ((level, what),) = account.said(account.desired(), "images web")
    assert level == "error"
    assert "RepositoryNotFoundException" in what


def test_an_execution_role_that_can_do_its_part(account: Account) -> None:
    account.images = {"web": push(account, "amd64")}
    account.allow(
        ("Allow", ["ecr:GetAuthorizationToken"], ["*"]),
        ("Allow", PULL, [PLACE.format("ecr", "repository/shop/*")]),
        (
            "Allow",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [PLACE.format("logs", "log-group:/ecs/shop-dev:*")],
        ),
        ("Allow", ["secretsmanager:GetSecretValue"], [SECRET]),
        ("Allow", ["ssm:GetParameters"], [PLACE.format("ssm", "parameter/shop/*")]),
    )
    secrets = {"A": f"{SECRET}:password::", "B": PARAMETER}
    said = account.said(account.desired(**{"x-ecs": {"secrets": secrets}}), "execution role")
    duties = "sign in to ECR, pull the images, write logs, read secrets, read parameters"
    assert said == [("ok", f"{account.settings.execution_role} can {duties}")]


@pytest.mark.parametrize(
    ("denied", "resource"),
    [
        ("ecr:GetAuthorizationToken", "*"),
        ("ecr:BatchGetImage", PLACE.format("ecr", "repository/shop/web")),
        ("logs:PutLogEvents", PLACE.format("logs", "log-group:/ecs/shop-dev:*")),
        ("secretsmanager:GetSecretValue", SECRET),
        ("ssm:GetParameters", PARAMETER),
    ],
)
def test_what_the_execution_role_may_not_is_named(
    account: Account, denied: str, resource: str
) -> None:
    account.images = {"web": push(account, "amd64")}
    account.allow(("Allow", ["*"], ["*"]), ("Deny", [denied], ["*"]))
    secrets = {"A": f"{SECRET}:password::", "B": PARAMETER}
    said = account.said(account.desired(**{"x-ecs": {"secrets": secrets}}), "execution role")
    ((level, what),) = said
    assert level == "error"
    assert what.startswith(f"execution may not {denied} on {resource}, which it needs to ")


def test_a_role_without_policies_and_one_for_others(account: Account) -> None:
    account.client("iam").delete_role_policy(RoleName="execution", PolicyName="all")
    said = account.said(account.desired(), "execution role")
    assert [what.partition(" on ")[0] for _, what in said] == [
        "execution may not logs:CreateLogStream",
        "execution may not logs:PutLogEvents",
    ]
    other = {"Service": "lambda.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": other, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    account.client("iam").update_assume_role_policy(
        RoleName="execution", PolicyDocument=json.dumps(trust)
    )
    ((level, what),) = account.said(account.desired(), "execution role")
    assert (level, what.partition(" ")[2]) == ("error", "may not be assumed by ECS's tasks")


def test_where_iam_may_not_be_asked_the_rest_is_looked_at(
    account: Account, judge: PolicySimulator
) -> None:
    judge.refused = True
    found = account.found(account.desired())
    role = found["execution role"]
    assert role.level == "warning"
    assert role.what.startswith("cannot be looked at: AWS refused iam:SimulatePrincipalPolicy")
    assert role.next_step == "let this identity call iam:SimulatePrincipalPolicy"
    assert {"log group", "quotas", "plan"} <= found.keys()


def test_subnets_of_two_vpcs_and_subnets_that_are_full(account: Account) -> None:
    ec2 = account.client("ec2")
    other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=other, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
    account.settings = replace(account.settings, subnet_tags={}, subnets=(account.subnet, subnet))
    ((level, what),) = account.said(account.desired(), "network")
    assert (level, what.partition(": ")[0]) == (
        "error",
        "the subnets and security groups are in several VPCs",
    )
    account.settings = replace(account.settings, subnets=(account.subnet,))
    many = account.desired(deploy={"replicas": 200})
    ((level, what),) = account.said(many, "network")
    assert (level, what) == (
        "error",
        "the subnets have 251 free addresses, and up to 400 tasks need one each",
    )


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"subnets": ("subnet-0a1",), "subnet_tags": {}}, "InvalidSubnetID.NotFound"),
        ({"security_groups": ("sg-0b2",), "security_group_tags": {}}, "InvalidGroup.NotFound"),
    ],
)
def test_a_network_that_is_not_there(account: Account, setting: dict[str, Any], says: str) -> None:
    account.settings = replace(account.settings, **setting)
    ((level, what),) = account.said(account.desired(), "network")
    assert level == "error"
    assert says in what


def balanced(account: Account, port: int = 80, **group: Any) -> list[tuple[str, str]]:
    """What is said of a target group with a listener."""
    elb = account.client("elbv2")
    settings = {"Protocol": "HTTP", "Port": 80, "VpcId": account.vpc, "TargetType": "ip"} | group
    arn = elb.create_target_group(Name="web", **settings)["TargetGroups"][0]["TargetGroupArn"]
    if settings["VpcId"] == account.vpc:
        subnet = account.client("ec2").create_subnet(
            VpcId=account.vpc, CidrBlock="10.0.2.0/24", AvailabilityZone="eu-west-1b"
        )["Subnet"]["SubnetId"]
        balancer = elb.create_load_balancer(Name="web", Subnets=[account.subnet, subnet])
        elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}],
        )
    web = {
        "ports": [{"target": port, "protocol": "tcp"}],
        "x-ecs": {"load_balancers": [{"target_group": arn, "port": port}]},
    }
    return account.said(account.desired(**web), "target groups")


def test_a_target_group_that_takes_the_tasks(account: Account) -> None:
    assert balanced(account) == [("ok", "web")]


def test_a_target_group_takes_addresses(account: Account) -> None:
    assert balanced(account, TargetType="instance") == [
        ("error", "web has targets of the type instance")
    ]


def test_a_target_group_has_a_listener_and_the_tasks_vpc(account: Account) -> None:
    other = account.client("ec2").create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    assert balanced(account, VpcId=other) == [
        ("error", "no load balancer sends to web"),
        ("error", f"web is in {other}, and the tasks in {account.vpc}"),
    ]


def test_a_target_groups_ports(account: Account) -> None:
    assert balanced(account, port=8080, HealthCheckPort="9000") == [
        ("warning", "web checks health at port 9000, and the container listens at 8080"),
        ("warning", "web has the port 80; tasks are registered with 8080"),
        ("ok", "web"),
    ]


def test_quotas_that_hold_what_is_needed_at_the_peak(account: Account) -> None:
    web = {
        "deploy": {"replicas": 3, "resources": {"limits": {"cpus": "1", "memory": str(2 << 30)}}}
    }
    assert account.said(account.desired(**web), "quotas") == [
        ("ok", "6 tasks with 6 vCPU at the peak fit")
    ]


@pytest.mark.parametrize(
    ("service", "name", "says"),
    [
        ("ecs", "Tasks per service", "Tasks per service is 1, and shop-dev-web needs 6"),
        ("ecs", "Services per cluster", "Services per cluster is 1, and the cluster prod needs 2"),
        (
            "fargate",
            "Fargate On-Demand vCPU resource count",
            "Fargate On-Demand vCPU resource count is 1, and the environment needs 6",
        ),
    ],
)
def test_a_quota_that_is_too_small_is_named(
    account: Account, service: str, name: str, says: str
) -> None:
    account.sim.world.services["prod", "other"] = other(account)
    account.beside.quotas[service][name] = 1
    web = {
        "deploy": {"replicas": 3, "resources": {"limits": {"cpus": "1", "memory": str(2 << 30)}}}
    }
    assert account.said(account.desired(**web), "quotas") == [("error", f"{says} at its peak")]


def other(account: Account) -> Any:
    """Somebody else's service in the cluster."""
    made = account.sim.call(
        "RegisterTaskDefinition",
        family="other",
        containerDefinitions=[{"name": "a", "image": IMAGE.reference, "memory": 64}],
    )
    arn = made["taskDefinition"]["taskDefinitionArn"]
    account.sim.call("CreateService", cluster="prod", serviceName="other", taskDefinition=arn)
    return account.sim.world.services["prod", "other"]


@pytest.mark.parametrize("why", ["refused", "nothing told"])
def test_quotas_that_cannot_be_read_are_one_line(account: Account, why: str) -> None:
    if why == "refused":
        account.beside.refused.add("ListServiceQuotas")
    else:
        account.beside.quotas = {}
    ((level, what),) = account.said(account.desired(), "quotas")
    assert (level, what.partition(":")[0]) == ("warning", "could not look")


def own_definition(account: Account, **service: Any) -> Desired:
    """A team's own task definition and service, as short as ECS takes them."""
    container = {
        "name": "web",
        "image": account.images["web"].reference,
        "secrets": [{"name": "KEY", "valueFrom": "/shop/key"}],
    }
    definition = {
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": ".5 vCPU",
        "memory": "1 GB",
        "containerDefinitions": [container],
    }
    objects = ({"name": "web", "task_definition": definition, "service": service},)
    project = source.project({"services": {}}, own.services(objects))
    return replace(account.desired(), project=project, source=objects)


def test_a_teams_own_definition_is_looked_at_alike(account: Account) -> None:
    account.images = {"web": push(account, "amd64")}
    account.client("ssm").put_parameter(Name="/shop/key", Value="hunter2", Type="SecureString")
    account.allow(
        ("Allow", ["ecr:*"], ["*"]),
        ("Allow", ["ssm:GetParameters"], [PLACE.format("ssm", "parameter/shop/*")]),
    )
    account.beside.quotas["fargate"] = {"Fargate Spot vCPU resource count": 0.5}
    network = {"subnets": ["subnet-0a1"], "securityGroups": [account.group]}
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    desired = own_definition(
        account,
        desiredCount=1,
        capacityProviderStrategy=spot,
        networkConfiguration={"awsvpcConfiguration": network},
        loadBalancers=[{"loadBalancerName": "old", "containerName": "web", "containerPort": 80}],
    )
    found = list(account.target().check(desired))
    role, digest = account.settings.execution_role, account.images["web"].digest.short
    said = {f.subject: (f.level, f.what) for f in found if f.subject != "plan"}
    assert said["execution role"] == (
        "ok",
        f"{role} can sign in to ECR, pull the images, read parameters",
    )
    assert said["secrets"] == ("ok", "/shop/key")
    assert said["images web"] == ("ok", f"{digest} is in shop/web for linux/amd64")
    assert said["network"][0] == "error"
    assert "InvalidSubnetID.NotFound" in said["network"][1]
    quota = "Fargate Spot vCPU resource count"
    needs = f"{quota} is 0.5, and the environment needs 1 at its peak"
    assert said["quotas"] == ("error", needs)
    assert "target groups" not in said


def test_a_windows_task_wants_a_windows_image(account: Account) -> None:
    account.images = {"web": push(account, "amd64")}
    desired = own_definition(account)
    desired.source[0]["task_definition"]["runtimePlatform"] = {
        "operatingSystemFamily": "WINDOWS_SERVER_2022_CORE",
        "cpuArchitecture": "X86_64",
    }
    del desired.source[0]["task_definition"]["networkMode"]
    ((level, what),) = account.said(desired, "images web")
    assert (level, what.partition(" ")[2]) == ("error", "is not for windows/amd64")
