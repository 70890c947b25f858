"""The door to AWS: what it makes of botocore's errors, and how it tries again."""

import importlib.util
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from botocore import exceptions as foreign

from shipit.errors import PreconditionError, RemoteError, ShipitError
from shipit.targets.ecs import cloud
from shipit.targets.ecs.cloud import Cloud
from tests.unit.targets.ecs.conftest import Shop


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Client:
    """Raises what it is given, one after the other, then answers."""

    meta = SimpleNamespace(region_name="eu-west-1")

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def list_services(self, **_: Any) -> dict[str, Any]:
        if self.errors:
            raise self.errors.pop(0)
        return {"serviceArns": []}


def answered(code: str, status: int = 400) -> foreign.ClientError:
    response = {
        "Error": {"Code": code, "Message": "so it\n is"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return foreign.ClientError(response, "ListServices")


def ask(*errors: Exception) -> tuple[Clock, Any]:
    clock = Clock()
    asked = Cloud("eu-west-1", clock=lambda: clock.now, pause=clock.pause)
    asked._clients["ecs"] = Client(*errors)
    return clock, asked


@pytest.mark.parametrize(
    "error",
    [
        answered("ThrottlingException"),
        answered("RequestLimitExceeded", 503),
        answered("ServerException", 500),
        foreign.EndpointConnectionError(endpoint_url="http://x"),
        foreign.ReadTimeoutError(endpoint_url="http://x"),
        foreign.ConnectionClosedError(endpoint_url="http://x"),
    ],
)
def test_11_what_is_temporary_is_tried_again_with_jitter(error: Exception) -> None:
    clock, asked = ask(error, error, error)
    assert asked.call("ecs", "list_services") == {"serviceArns": []}
    assert len(clock.pauses) == len(set(clock.pauses)) == 3


def test_throttling_for_ever_ends_as_a_temporary_error() -> None:
    clock, asked = ask(*[answered("ThrottlingException")] * 1000)
    with pytest.raises(RemoteError) as raised:
        asked.call("ecs", "list_services")
    assert raised.value.temporary
    assert 60 < clock.now < 120
    assert max(clock.pauses) <= 7.5


def test_a_network_that_is_not_there_is_told_soon() -> None:
    error = foreign.EndpointConnectionError(endpoint_url="https://ecs.eu-wst-1.amazonaws.com")
    clock, asked = ask(*[error] * 1000)
    with pytest.raises(RemoteError, match="AWS does not answer ecs:ListServices"):
        asked.call("ecs", "list_services")
    assert clock.now < 30


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (answered("AccessDeniedException"), RemoteError, "let this identity call ecs:ListServices"),
        (answered("ExpiredTokenException"), RemoteError, "renew the AWS credentials"),
        (answered("InvalidParameterException"), RemoteError, "so it is"),
        (foreign.NoCredentialsError(), PreconditionError, "there are no AWS credentials that work"),
        (foreign.NoRegionError(), PreconditionError, "no AWS region is set"),
        (foreign.ProfileNotFound(profile="shop"), PreconditionError, "shop"),
        (foreign.UnauthorizedSSOTokenError(), PreconditionError, "aws sso login"),
        (foreign.ParamValidationError(report="no such key"), PreconditionError, "no such key"),
    ],
)
def test_the_others_are_told_at_once(error: Exception, kind: type[ShipitError], says: str) -> None:
    clock, asked = ask(error)
    with pytest.raises(kind) as raised:
        asked.call("ecs", "list_services")
    assert says in str(raised.value)
    assert not clock.pauses


def test_no_boto3_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PreconditionError, match=r"boto3 is not installed") as raised:
        Cloud("eu-west-1").call("ecs", "list_services")
    assert raised.value.next_step == "pip install 'shipit[aws]'"


def test_every_client_has_deadlines(shop: Shop) -> None:
    config = Cloud("eu-west-1").client("ecs").meta.config
    assert (config.connect_timeout, config.read_timeout) == (10, 30)
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}


def test_the_target_is_imported_without_boto3() -> None:
    script = "import sys, shipit.targets.ecs.target; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_name_for_every_error_of_botocores() -> None:
    """None of them passes the boundary as it is."""
    for kind in vars(foreign).values():
        if isinstance(kind, type) and issubclass(kind, foreign.BotoCoreError):
            # Each wants its own words to be made of.
            bare = type("Bare", (kind,), {"__init__": lambda self: Exception.__init__(self, "x")})
            made = bare()
            assert isinstance(cloud._mapped(made, "ecs", "list_services"), ShipitError)


def test_aws_region_names_the_region_where_the_settings_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """botocore reads AWS_DEFAULT_REGION alone; the SDKs of other languages, AWS_REGION."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert Cloud("").region == "eu-north-1"
    assert Cloud("eu-west-1").region == "eu-west-1"
