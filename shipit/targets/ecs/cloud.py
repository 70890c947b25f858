"""The one door to AWS: clients with deadlines, one retry policy, foreign errors mapped here."""

import importlib.util
import os
import random
import time
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

from shipit.errors import PreconditionError, RemoteError, ShipitError
from shipit.targets.ecs import pace

Json = dict[str, Any]

_CONNECT, _READ = 10, 30  # seconds for one request
_PATIENCE = 90.0  # seconds in which a call that is throttled is tried again
_UNREACHED = 15.0  # seconds in which one that reaches nobody is
_PAUSE, _LONGEST_PAUSE = 0.5, 5.0  # seconds, before jitter
_THROTTLED = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown")
_REFUSED = ("AccessDenied", "UnauthorizedOperation", "NotAuthorized")
_EXPIRED = (
    *("ExpiredToken", "RequestExpired", "UnrecognizedClient"),
    *("InvalidClientTokenId", "SignatureDoesNotMatch", "AuthFailure"),
)


class Cloud:
    """One region of one account. Clients are made at their first use; threads may share it."""

    def __init__(
        self,
        region: str,
        profile: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._region, self._profile = region, profile
        self._clock, self._pause = clock, pause
        self._clients: dict[str, Any] = {}
        self._account = ""
        self._lock = Lock()

    @property
    def region(self) -> str:
        return str(self.client("ecs").meta.region_name)

    def call(self, api: str, operation: str, /, **parameters: Any) -> Json:
        """One request in its turn, tried again with jitter while its error is temporary.

        Raises PreconditionError for what is missing on this machine, RemoteError for what AWS
        answered; its `reasons` begin with AWS's error code.
        """
        client = self.client(api)
        began = self._clock()
        pause = _PAUSE
        while True:
            self._take_turn(api, operation, client)
            try:
                answer: Json = getattr(client, operation)(**parameters)
            except Exception as error:  # the boundary: all of botocore's
                mapped = _mapped(error, api, operation)
                if self._clock() - began > _patience(mapped):
                    raise mapped from error
            else:
                return answer
            self._pause(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    def pages(self, api: str, operation: str, key: str, /, **parameters: Any) -> list[Any]:
        """The items under `key` of every page (`nextToken`)."""
        found: list[Any] = []
        more: Json = {}
        while True:
            answer = self.call(api, operation, **parameters, **more)
            found += answer.get(key) or ()
            if not answer.get("nextToken"):
                return found
            more = {"nextToken": answer["nextToken"]}

    def client(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                made, self._account = _client(service, self._region, self._profile)
                self._clients[service] = made
            return self._clients[service]

    def _take_turn(self, api: str, operation: str, client: Any) -> None:
        """An account has one rate for all of its environments (FIELD 11)."""
        region = client.meta.region_name
        wait = pace.turn(self._account, region, api, operation, self._clock)
        if wait:
            self._pause(wait)


def _client(service: str, region: str, profile: str) -> tuple[Any, str]:
    """A client, and the account that its calls are counted for."""
    if importlib.util.find_spec("boto3") is None:
        raise PreconditionError(
            "boto3 is not installed",
            "shipit talks to ECS with it",
            "pip install 'shipit[aws]'",
        )
    import boto3
    import botocore.session
    from botocore.config import Config

    # Retries are this module's own: one policy, which knows what a rollout's deadline is worth.
    config = Config(
        connect_timeout=_CONNECT,
        read_timeout=_READ,
        retries={"mode": "standard", "total_max_attempts": 1},
        user_agent_extra="shipit",
    )
    try:
        core = botocore.session.Session(profile=profile or None)
        core.register_component("data_loader", _models())
        # botocore itself reads AWS_DEFAULT_REGION alone.
        named = region or os.environ.get("AWS_REGION") or None
        session = boto3.session.Session(botocore_session=core, region_name=named)
        return session.client(service, config=config), pace.account_of(session.get_credentials())
    except Exception as error:  # profiles, regions, credential files
        raise _mapped(error, service, "") from error


@cache
def _models() -> Any:
    """The descriptions of AWS's services, which take a while to read: once for all targets."""
    from botocore.loaders import create_loader

    return create_loader()


def _patience(error: ShipitError) -> float:
    """Seconds for which trying again may help."""
    if not isinstance(error, RemoteError) or not error.temporary:
        return -1
    return _PATIENCE if error.status else _UNREACHED


def _mapped(error: Exception, service: str, operation: str) -> ShipitError:
    """botocore's exceptions (botocore/exceptions.py) in our own words."""
    from botocore import exceptions as foreign

    request = f"{service}:{_camel(operation)}"
    if isinstance(error, foreign.ClientError):
        return _answered(error.response, request)
    kind, said = type(error).__name__, _line(str(error))
    if isinstance(error, foreign.HTTPClientError | foreign.ConnectionError):
        return RemoteError(
            f"AWS does not answer {request}",
            said,
            "check the network, the region and AWS_ENDPOINT_URL",
            request=request,
            reasons=(kind,),
            temporary=True,
        )
    if isinstance(error, foreign.NoRegionError):
        return PreconditionError(
            "no AWS region is set", next_step="write target.ecs.region, or set AWS_REGION"
        )
    if isinstance(error, foreign.ParamValidationError):
        return PreconditionError(f"{request} cannot be asked so", said)
    if isinstance(error, foreign.BotoCoreError):
        return PreconditionError(
            "there are no AWS credentials that work",
            said,
            "sign in (`aws sso login`), or set AWS_PROFILE or AWS_ACCESS_KEY_ID",
        )
    raise error


def _answered(response: Json, request: str) -> RemoteError:
    answer = response.get("Error", {})
    code, said = str(answer.get("Code", "")), _line(str(answer.get("Message", "")))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    next_step = ""
    if code.startswith(_REFUSED):
        next_step = f"let this identity call {request}"
    elif code.startswith(_EXPIRED):
        next_step = "renew the AWS credentials and run `shipit resume`"
    return RemoteError(
        f"AWS refused {request}: {code}",
        said,
        next_step,
        request=request,
        status=status,
        reasons=(code, said),
        temporary=status >= 500 or any(word in code for word in _THROTTLED),
    )


def code_of(error: ShipitError) -> str:
    """AWS's error code, or ""."""
    return error.reasons[0] if isinstance(error, RemoteError) and error.reasons else ""


def is_refused(error: ShipitError) -> bool:
    """Whether this identity may not ask."""
    return code_of(error).startswith(_REFUSED)


def _camel(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))


def _line(text: str) -> str:
    return " ".join(text.split())
