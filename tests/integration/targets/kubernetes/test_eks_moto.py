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


def test_a_cluster_that_is_not_there(aws: FakeEks) -> None:
    with pytest.raises(PreconditionError, match="there is no EKS cluster qa"):
        reach(EksTarget(cluster="qa"), root="/", environment="production")
