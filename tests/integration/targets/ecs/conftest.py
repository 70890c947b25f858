"""An account beside ECS, on moto's server; ECS itself is the simulation, IAM's judgement a fake."""

import json
import urllib.request
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
import pytest

from shipit.model.deployment import Desired, Finding
from shipit.model.digest import Digest
from shipit.model.image import Image
from shipit.model.pipeline import EcsTarget
from shipit.targets.ecs.target import EcsCluster
from tests.fakes.around import Around
from tests.fakes.ecs import SimulatedEcs, runs
from tests.fakes.moto import CREDENTIALS, moto_server
from tests.fakes.policy_simulator import PolicySimulator, policy

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


@cache
def client(endpoint: str, service: str) -> Any:
    """Once for all tests: to read a service's description takes a while."""
    keys = {
        "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }
    return boto3.client(service, region_name="eu-west-1", endpoint_url=endpoint, **keys)


@pytest.fixture(scope="package")
def moto() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


class Account:
    """What there is beside ECS, made through boto3, and the target that looks at it."""

    def __init__(self, moto: str, sim: SimulatedEcs, beside: Around) -> None:
        self.sim, self.beside, self._moto = sim, beside, moto
        self.images = {"web": IMAGE}
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
        return client(self._moto, service)

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
        image = self.images["web"]
        self.sim.images[image.reference] = runs()
        return Desired(
            app="shop",
            environment="dev",
            release=Digest.of(b"release"),
            release_id="r1",
            project={"services": {"web": {"image": image.reference, **web}}},
            images=self.images,
            services=("web",),
        )

    def allow(self, *statements: tuple[str, list[str], list[str]]) -> None:
        """The execution role's policy, in the place of what it had."""
        self.client("iam").put_role_policy(
            RoleName="execution", PolicyName="all", PolicyDocument=policy(*statements)
        )

    def said(self, desired: Desired, subject: str) -> list[tuple[str, str]]:
        """(level, what) of every finding on a subject."""
        found = self.target().check(desired)
        return [(f.level, f.what) for f in found if f.subject == subject]

    def found(self, desired: Desired) -> dict[str, Finding]:
        return {finding.subject: finding for finding in self.target().check(desired)}


@pytest.fixture
def beside() -> Iterator[Around]:
    """What moto does not know of: quotas."""
    with Around() as server:
        server.quotas = {
            "ecs": {"Tasks per service": 5000, "Services per cluster": 5000},
            "fargate": {"Fargate On-Demand vCPU resource count": 6},
        }
        yield server


@pytest.fixture
def judge(moto: str) -> Iterator[PolicySimulator]:
    with PolicySimulator(moto, client(moto, "iam")) as simulator:
        yield simulator


@pytest.fixture
def account(
    moto: str, beside: Around, judge: PolicySimulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Account]:
    request = urllib.request.Request(f"{moto}/moto-api/reset", method="POST")
    urllib.request.urlopen(request, timeout=10).close()
    with SimulatedEcs(clusters=["prod"]) as sim:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", sim.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", judge.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", beside.endpoint)
        made = Account(moto, sim, beside)
        made.allow(("Allow", ["*"], ["*"]))
        yield made
