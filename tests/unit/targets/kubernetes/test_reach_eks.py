"""EKS: a token that is signed as EKS wants it, renewed in time, and what is said when refused."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipit.errors import ConfigurationError, PreconditionError
from shipit.model.pipeline import EksTarget
from shipit.targets.kubernetes.reach import eks, reach
from shipit.targets.kubernetes.reach.access import Access
from tests.fakes.eks import Authenticator, FakeEks
from tests.fakes.front_door import FrontDoor
from tests.fakes.moto import CREDENTIALS
from tests.unit.targets.kubernetes.conftest import Ask

KEY, SECRET = CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
PROD = EksTarget(region="eu-west-1", cluster="prod")


@pytest.fixture
def authenticator(door: FrontDoor) -> Authenticator:
    made = Authenticator("prod", "sts.eu-west-1.amazonaws.com", {KEY: SECRET})
    door.judge = made.judge
    return made


@pytest.fixture
def aws(
    tmp_path: Path,
    door: FrontDoor,
    authenticator: Authenticator,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[FakeEks]:
    """Keys in the environment; the cluster `prod` is behind the door."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with FakeEks() as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EKS", fake.endpoint)
        fake.clusters["prod"] = {}
        fake.doors["prod"] = (door.address, door.ca)
        yield fake


def reached(settings: EksTarget = PROD) -> Access:
    return reach(settings, root="/", environment="production")


def test_the_token_is_signed_for_this_cluster(
    aws: FakeEks, door: FrontDoor, authenticator: Authenticator, ask: Ask
) -> None:
    found = reached()
    assert ask(found) == 200, authenticator.told
    assert door.seen[0].user == authenticator.users[KEY]
    assert found.name == "the EKS cluster prod in eu-west-1 (1.33)"
    assert aws.asked == ["/clusters/prod"]


def test_one_cluster_refuses_anothers_token(
    aws: FakeEks, authenticator: Authenticator, ask: Ask
) -> None:
    authenticator.cluster = "staging"
    assert ask(reached()) == 401
    assert set(authenticator.told) == {"its signature is another one"}


def test_a_session_token_travels(
    aws: FakeEks, authenticator: Authenticator, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "FwoGZXIvYXdzEBYaD+/=")
    assert ask(reached()) == 200, authenticator.told


def test_a_token_is_renewed_before_its_15_minutes_end(
    aws: FakeEks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And until then it is the same: a rollout asks often."""
    now = [1000.0]
    found = eks.access(PROD, "production", clock=lambda: now[0])
    first = found.authorization(False)
    now[0] += 11 * 60
    assert found.authorization(False) == first
    signed: list[str] = []

    def sign(_: object) -> str:
        signed.append("again")
        return "second"

    monkeypatch.setattr(eks._Signer, "token", sign)
    now[0] += 2 * 60
    assert [found.authorization(False), found.authorization(False)] == ["Bearer second"] * 2
    assert signed == ["again"]


def test_a_token_that_the_server_takes_for_old_is_replaced(
    aws: FakeEks, authenticator: Authenticator, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop whose clock is 20 minutes late: EKS refuses, and we say it once."""
    authenticator.now += datetime.timedelta(minutes=20)
    assert ask(reached()) == 401
    assert set(authenticator.told) == {"it is older than 15 minutes"}


def test_a_401_says_what_access_entries_are(aws: FakeEks) -> None:
    hint = reached().refused
    assert "create-access-entry --cluster-name prod" in hint
    assert "shipit rbac --env production --group GROUP" in hint
    aws.clusters["prod"] = {"accessConfig": {"authenticationMode": "CONFIG_MAP"}}
    assert "aws-auth" in reached().refused


def test_what_may_be_in_the_way(aws: FakeEks) -> None:
    aws.clusters["prod"] = {"resourcesVpcConfig": {"endpointPublicAccess": False}}
    assert "from its VPC alone" in reached().unreached
    aws.clusters["prod"] = {"resourcesVpcConfig": {"publicAccessCidrs": ["198.51.100.0/24"]}}
    assert "some networks" in reached().unreached
    aws.clusters["prod"] = {"resourcesVpcConfig": {"publicAccessCidrs": ["0.0.0.0/0"]}}
    assert reached().unreached == ""


def test_a_profile(
    aws: FakeEks,
    authenticator: Authenticator,
    tmp_path: Path,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    (tmp_path / "AWS_SHARED_CREDENTIALS_FILE").write_text(
        f"[prod]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    (tmp_path / "AWS_CONFIG_FILE").write_text("[profile prod]\nregion = eu-west-1\n")
    found = reached(EksTarget(cluster="prod", profile="prod"))
    assert ask(found) == 200, authenticator.told
    with pytest.raises(PreconditionError, match="there is no AWS profile qa"):
        reached(EksTarget(cluster="prod", profile="qa"))


def test_the_region_of_the_environment(
    aws: FakeEks, authenticator: Authenticator, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PreconditionError, match="no AWS region is named"):
        reached(EksTarget(cluster="prod"))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert ask(reached(EksTarget(cluster="prod"))) == 200, authenticator.told


def test_another_partitions_sts(aws: FakeEks, authenticator: Authenticator, ask: Ask) -> None:
    authenticator.host = "sts.cn-north-1.amazonaws.com.cn"
    assert ask(reached(EksTarget(region="cn-north-1", cluster="prod"))) == 200, authenticator.told


@pytest.mark.parametrize("status", ["CREATING", "DELETING", "FAILED"])
def test_a_cluster_without_a_server(aws: FakeEks, status: str) -> None:
    aws.clusters["prod"] = {"status": status}
    with pytest.raises(PreconditionError, match=f"prod is {status}"):
        reached()


def test_a_cluster_that_is_not_there(aws: FakeEks) -> None:
    with pytest.raises(PreconditionError, match="there is no EKS cluster qa in eu-west-1"):
        reached(EksTarget(region="eu-west-1", cluster="qa"))


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "AccessDeniedException", "eks:DescribeCluster"),
        (403, "ExpiredTokenException", "aws sts get-caller-identity"),
    ],
)
def test_a_refusal(aws: FakeEks, status: int, code: str, said: str) -> None:
    aws.refusal = (status, code, "User ci is not allowed")
    with pytest.raises(PreconditionError) as caught:
        reached()
    assert said in caught.value.next_step
    assert caught.value.why == "User ci is not allowed"


def test_no_credentials(aws: FakeEks, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(PreconditionError, match="there are no AWS credentials"):
        reached()


def test_nobody_answers(aws: FakeEks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipit.targets.kubernetes.reach.eks._ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL_EKS", "http://127.0.0.1:1")
    with pytest.raises(PreconditionError, match="EKS cannot be reached for prod"):
        reached()


def test_what_is_not_said(aws: FakeEks) -> None:
    with pytest.raises(ConfigurationError, match=r"production\.target\.eks\.cluster"):
        reached(EksTarget(region="eu-west-1"))


def test_no_secret_is_in_the_token(aws: FakeEks, authenticator: Authenticator, ask: Ask) -> None:
    ask(reached())
    assert SECRET not in "".join(authenticator.tokens)
