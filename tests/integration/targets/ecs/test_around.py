"""check, alarms and the network against moto's server; ECS itself is the simulation."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from msgspec.structs import replace

from shipit.errors import PreconditionError
from shipit.model.deployment import Desired, Finding
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import EcsTarget
from shipit.model.progress import Succeeded
from shipit.targets.ecs.target import EcsCluster
from tests.fakes.ecs import SimulatedEcs, runs
from tests.fakes.moto import CREDENTIALS, moto_server

pytestmark = pytest.mark.aws

IMAGE = Image("registry.test/shop/web", Digest.of(b"1"))
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


class Account:
    """What there is beside ECS, made through boto3, and the target that looks at it."""

    def __init__(self, moto: str, sim: SimulatedEcs) -> None:
        self.sim, self._moto = sim, moto
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(VpcId=vpc, GroupName="web", Description="web")["GroupId"]
        for resource, name in ((subnet, "private-a"), (group, "web")):
            ec2.create_tags(Resources=[resource], Tags=[{"Key": "Name", "Value": name}])
        self.vpc, self.subnet, self.group = vpc, subnet, group
        role = self.client("iam").create_role(
            RoleName="execution", AssumeRolePolicyDocument=json.dumps(TRUST)
        )["Role"]["Arn"]
        self.settings = EcsTarget(
            region="eu-west-1",
            cluster="prod",
            subnet_tags={"Name": "private-*"},
            security_group_tags={"Name": "web"},
            execution_role=role,
        )

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name="eu-west-1", endpoint_url=self._moto)

    def target(self) -> EcsCluster:
        return EcsCluster(
            "default",
            self.settings,
            "dev",
            "shop",
            "/",
            clock=lambda: self.sim.world.now,
            pause=self.sim.clock.advance,
        )

    def desired(self, **web: Any) -> Desired:
        self.sim.images[IMAGE.reference] = runs()
        return Desired(
            app="shop",
            environment="dev",
            release=Digest.of(b"release"),
            release_id="r1",
            project={"services": {"web": {"image": IMAGE.reference, **web}}},
            images={"web": IMAGE},
            services=("web",),
        )

    def found(self, desired: Desired) -> dict[str, Finding]:
        return {finding.subject: finding for finding in self.target().check(desired)}


@pytest.fixture
def account(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    import urllib.request

    request = urllib.request.Request(f"{moto}/moto-api/reset", method="POST")
    urllib.request.urlopen(request, timeout=10).close()
    with SimulatedEcs(clusters=["prod"]) as sim:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", sim.endpoint)
        yield Account(moto, sim)


def test_a_sound_account_has_no_errors_and_is_deployed_to(account: Account) -> None:
    found = account.found(account.desired())
    assert not [f for f in found.values() if f.level == "error"]
    assert found["network"].what == f"1 subnets in {account.vpc}"
    assert found["log group"].what == "/ecs/shop-dev will be made"
    assert found["execution role"].level == "ok"
    target = account.target()
    plan = target.plan(account.desired(), target.observe())
    *_, outcome = target.follow(target.apply(plan))
    assert outcome == Succeeded({"web": IMAGE.digest})
    made = account.sim.asked("CreateService")[0]["networkConfiguration"]["awsvpcConfiguration"]
    assert (made["subnets"], made["securityGroups"]) == ([account.subnet], [account.group])
    groups = account.client("logs").describe_log_groups()["logGroups"]
    assert [g["logGroupName"] for g in groups] == ["/ecs/shop-dev"]
    assert account.found(account.desired())["log group"].what == "/ecs/shop-dev"


def test_tags_that_nothing_has_are_one_clear_sentence(account: Account) -> None:
    account.settings = replace(account.settings, subnet_tags={"Name": "nobody"})
    with pytest.raises(PreconditionError, match="no Subnets in eu-west-1 have the tags Name=nob"):
        account.target().observe()


def test_what_is_missing_is_found_each_by_itself(account: Account) -> None:
    account.settings = replace(
        account.settings,
        log_group="/ours",
        execution_role="arn:aws:iam::123456789012:role/nobody",
    )
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gone-AbCdEf"
    parameter = "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/gone"
    found = account.found(
        account.desired(**{"x-ecs": {"secrets": {"A": arn, "B": parameter}, "alarms": ["errors"]}})
    )
    errors = {subject: f.what for subject, f in found.items() if f.level == "error"}
    assert set(errors) == {"log group", "execution role", "secrets", "alarms"}
    assert errors["log group"] == "there is no /ours"
    assert errors["execution role"].startswith("AWS refused iam:GetRole: NoSuchEntity")
    assert errors["alarms"] == "there is no alarm errors"


def test_a_secret_that_is_there_is_found_and_its_value_is_not_asked_for(account: Account) -> None:
    made = account.client("secretsmanager").create_secret(Name="db", SecretString="hunter2")
    account.client("ssm").put_parameter(Name="/shop/key", Value="hunter2", Type="SecureString")
    parameter = "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/key"
    secrets = {"A": f"{made['ARN']}:password::", "B": parameter}
    said = list(account.target().check(account.desired(**{"x-ecs": {"secrets": secrets}})))
    assert [(f.level, f.what) for f in said if f.subject == "secrets"] == [
        ("ok", secrets["A"]),
        ("ok", parameter),
    ]


def test_06_an_alarm_in_alarm_before_the_start_is_refused(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        MetricName="Errors",
        Namespace="Shop",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
    )
    desired = account.desired(**{"x-ecs": {"alarms": ["errors"]}})
    target = account.target()
    plan = target.plan(desired, target.observe())
    target.preflight(plan)
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="they are many")
    with pytest.raises(PreconditionError, match="in ALARM already: errors"):
        target.preflight(plan)
    assert not account.sim.asked("CreateService")
    assert account.found(desired)["alarms"].level == "error"


def test_a_target_group_has_to_take_addresses_and_have_a_listener(account: Account) -> None:
    elb = account.client("elbv2")
    made = [
        elb.create_target_group(
            Name=kind, Protocol="HTTP", Port=80, VpcId=account.vpc, TargetType=kind
        )["TargetGroups"][0]["TargetGroupArn"]
        for kind in ("instance", "ip")
    ]
    said = []
    for arn in made:
        web = {
            "ports": [{"target": 80, "protocol": "tcp"}],
            "x-ecs": {"load_balancers": [{"target_group": arn, "port": 80}]},
        }
        said.append(account.found(account.desired(**web))["target groups"].what)
    assert "has targets of the type instance" in said[0]
    assert said[1] == "no load balancer sends to ip"
