"""EKS's API as moto has it, in front of an API server that knows what a token of EKS's is."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from shipit.errors import PreconditionError
from shipit.model.pipeline import EksTarget
from shipit.targets.kubernetes.reach import reach
from tests.fakes.eks import Authenticator, FakeEks
from tests.fakes.front_door import FrontDoor
from tests.fakes.moto import CREDENTIALS, moto_server
from tests.fakes.policy_simulator import PolicySimulator
from tests.fakes.policy_simulator import policy as allow
from tests.unit.targets.kubernetes.conftest import Ask, ask, door

__all__ = ["ask", "door"]
pytestmark = pytest.mark.aws


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEks]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    with moto_server() as moto, FakeEks(moto) as fake:
        client = boto3.client("eks", region_name="eu-west-1", endpoint_url=moto)
        client.create_cluster(
            name="prod",
            roleArn="arn:aws:iam::123456789012:role/eks",
            resourcesVpcConfig={"subnetIds": [], "endpointPublicAccess": True},
        )
        client.close()
        monkeypatch.setenv("AWS_ENDPOINT_URL_EKS", fake.endpoint)
        yield fake


def test_from_describe_cluster_to_an_answer(aws: FakeEks, door: FrontDoor, ask: Ask) -> None:
    key = CREDENTIALS["AWS_ACCESS_KEY_ID"]
    authenticator = Authenticator(
        "prod", "sts.eu-west-1.amazonaws.com", {key: CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
    )
    door.judge = authenticator.judge
    aws.doors["prod"] = (door.address, door.ca)
    found = reach(EksTarget(cluster="prod"), root="/", environment="production")
    assert ask(found) == 200, authenticator.told
    assert door.seen[0].user == authenticator.users[key]


PULL_ONLY = "AmazonEC2ContainerRegistryPullOnly"


@pytest.mark.parametrize("simulates", [True, False], ids=["simulated", "attached"])
@pytest.mark.parametrize(
    ("policy", "actions", "level", "said"),
    [
        (PULL_ONLY, "ecr:*", "ok", "nodes pull as nodes, which may"),
        ("AmazonEKSWorkerNodePolicy", "ec2:*", "", "may"),
    ],
)
def test_the_node_groups_role_pulls_from_ecr(
    aws: FakeEks,
    door: FrontDoor,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    actions: str,
    level: str,
    said: str,
    *,
    simulates: bool,
) -> None:
    """As EKS and IAM name it: by a simulation, or by what is attached where none is allowed."""
    aws.doors["prod"] = (door.address, door.ca)
    iam = boto3.client("iam", region_name="eu-west-1", endpoint_url=aws.moto)
    role = iam.create_role(RoleName="nodes", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    document = allow(("Allow", [actions], ["*"]))
    made = iam.create_policy(PolicyName=policy, PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="nodes", PolicyArn=made)
    eks = boto3.client("eks", region_name="eu-west-1", endpoint_url=aws.moto)
    eks.create_nodegroup(clusterName="prod", nodegroupName="a", subnets=["s"], nodeRole=role)
    with PolicySimulator(aws.moto, iam) as simulator:
        simulator.refused = not simulates
        monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", simulator.endpoint)
        found = reach(EksTarget(cluster="prod"), root="/", environment="production")
        assert found.pulls
        repository = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web"
        finding = found.pulls([repository])[repository]
    for client in (iam, eks):
        client.close()
    assert finding.level == (level or ("error" if simulates else "warning"))
    assert said in finding.what


def test_a_cluster_that_is_not_there(aws: FakeEks) -> None:
    with pytest.raises(PreconditionError, match="there is no EKS cluster qa"):
        reach(EksTarget(cluster="qa"), root="/", environment="production")
