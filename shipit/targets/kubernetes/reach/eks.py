"""An EKS cluster: DescribeCluster gives endpoint and certificate, a presigned request is the token.

The token is what `aws eks get-token` makes: a GetCallerIdentity request to STS, signed with the
cluster's name, which EKS sends to learn who we are (kubernetes-sigs/aws-iam-authenticator, "API
Authorization from Outside a Cluster"). Signing it asks nobody. Needs the extra `aws`.
"""

import base64
import importlib.util
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from shipit.errors import ConfigurationError, PreconditionError
from shipit.model.pipeline import EksTarget
from shipit.targets.kubernetes.reach import eks_pulls
from shipit.targets.kubernetes.reach.access import Access
from shipit.targets.kubernetes.reach.renewed import Renewed, Token

T = TypeVar("T")
_HEADER = "x-k8s-aws-id"
_PREFIX = "k8s-aws-v1."
_SIGNED_FOR = 60  # seconds in X-Amz-Expires; EKS takes the token for 15 minutes all the same
_LIFE = 15 * 60.0
_EARLY = 3 * 60.0
_CONNECT, _READ = 10, 30  # seconds for one request
_ATTEMPTS = 4  # botocore's own, with jitter
_SERVING = ("ACTIVE", "UPDATING")
_ABSENT = ("ResourceNotFoundException",)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_LOGIN = "`aws sts get-caller-identity` shows whether AWS knows you: log in, or set AWS_PROFILE"


def access(
    settings: EksTarget, environment: str, *, clock: Callable[[], float] = time.time
) -> Access:
    """Asks EKS for the cluster. Raises ConfigurationError and PreconditionError."""
    _refuse(settings, environment)
    session = _session(settings)
    found = _mapped(settings, lambda: _describe(session, settings))
    status = found.get("status")
    if status not in _SERVING:
        raise PreconditionError(
            f"the EKS cluster {settings.cluster} is {status}",
            "it has no API server to talk to",
            "wait until it is ACTIVE, or name another one as target.eks.cluster",
        )
    signer = _mapped(settings, lambda: _Signer(session, settings.cluster))

    def make() -> Token:
        return Token(_mapped(settings, signer.token), clock() + _LIFE)

    region = str(session.get_config_variable("region"))
    return Access(
        server=str(found["endpoint"]).rstrip("/"),
        name=f"the EKS cluster {settings.cluster} in {region} ({found.get('version', '')})",
        authorization=Renewed(make, early=_EARLY, clock=clock),
        ca=base64.b64decode(found["certificateAuthority"]["data"]),
        refused=_hint(settings, environment, found),
        unreached=_in_the_way(found),
        pulls=partial(eks_pulls.judged, partial(_client, session), found, region),
    )


class _Signer:
    """Credentials that renew themselves are asked anew for each token."""

    def __init__(self, session: Any, cluster: str) -> None:
        self._credentials = session.get_credentials()
        if self._credentials is None:
            raise PreconditionError(f"there are no AWS credentials for {cluster}", next_step=_LOGIN)
        # Its client knows STS's address in every partition; nothing is sent with it.
        sts = session.create_client("sts")
        self._region = sts.meta.region_name
        self._address = sts.meta.endpoint_url.rstrip("/")
        self._cluster = cluster
        sts.close()

    def token(self) -> str:
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(
            method="GET",
            url=f"{self._address}/?Action=GetCallerIdentity&Version=2011-06-15",
            headers={_HEADER: self._cluster},
        )
        frozen = self._credentials.get_frozen_credentials()
        SigV4QueryAuth(frozen, "sts", self._region, expires=_SIGNED_FOR).add_auth(request)
        return _PREFIX + base64.urlsafe_b64encode(request.url.encode()).decode().rstrip("=")


def _refuse(settings: EksTarget, environment: str) -> None:
    path = f"environments.{environment}.target.eks"
    if not settings.cluster:
        raise ConfigurationError(
            "it is not said",
            file="shipit.yaml",
            path=f"{path}.cluster",
            next_step="write target: {eks: {cluster: …}}",
        )


def _session(settings: EksTarget) -> Any:
    if importlib.util.find_spec("botocore") is None:
        raise PreconditionError(
            f"the EKS cluster {settings.cluster} cannot be looked up",
            "boto3 is not installed",
            "pip install 'shipit[aws]'",
        )
    import botocore.session

    session = botocore.session.Session(profile=settings.profile or None)
    region = settings.region or os.environ.get("AWS_REGION", "")  # botocore knows the other one
    if region:
        session.set_config_variable("region", region)
    return session


def _client(session: Any, service: str) -> Any:
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT,
        read_timeout=_READ,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        user_agent_extra="shipit",
    )
    return session.create_client(service, config=config)


def _describe(session: Any, settings: EksTarget) -> dict[str, Any]:
    client = _client(session, "eks")
    try:
        found: dict[str, Any] = client.describe_cluster(name=settings.cluster)["cluster"]
    finally:
        client.close()
    return found


def _mapped(settings: EksTarget, call: Callable[[], T]) -> T:
    """The boundary: botocore's errors as one sentence each."""
    from botocore import exceptions

    try:
        return call()
    except exceptions.ClientError as error:
        said = error.response.get("Error", {})
        raise _answered(settings, str(said.get("Code", "")), str(said.get("Message", ""))) from None
    except exceptions.NoRegionError:
        raise PreconditionError(
            f"no AWS region is named for the EKS cluster {settings.cluster}",
            next_step="write target: {eks: {region: …}}, or set AWS_REGION",
        ) from None
    except exceptions.ProfileNotFound:
        raise PreconditionError(
            f"there is no AWS profile {settings.profile or 'of the name that AWS_PROFILE has'}",
            next_step="`aws configure list-profiles` shows those that there are",
        ) from None
    except (exceptions.EndpointConnectionError, exceptions.HTTPClientError) as error:
        raise PreconditionError(
            f"EKS cannot be reached for {settings.cluster}", type(error).__name__, "try again"
        ) from None
    except exceptions.BotoCoreError as error:  # credentials: none, expired, a broken source
        raise PreconditionError(
            f"there are no AWS credentials for the EKS cluster {settings.cluster}",
            " ".join(str(error).split())[:300],
            _LOGIN,
        ) from None


def _answered(settings: EksTarget, code: str, message: str) -> PreconditionError:
    where = f" in {settings.region}" if settings.region else ""
    if code in _ABSENT:
        return PreconditionError(
            f"there is no EKS cluster {settings.cluster}{where}",
            next_step="`aws eks list-clusters` shows those that there are",
        )
    if code in _DENIED:
        return PreconditionError(
            f"AWS does not let us look at the EKS cluster {settings.cluster}{where}",
            message,
            "grant the identity eks:DescribeCluster on it",
        )
    return PreconditionError(
        f"AWS does not answer for the EKS cluster {settings.cluster}{where}: {code}",
        message,
        _LOGIN,
    )


def _hint(settings: EksTarget, environment: str, cluster: dict[str, Any]) -> str:
    """A 401 of EKS's says no more than that. docs.aws.amazon.com/eks, "access entries"."""
    mode = cluster.get("accessConfig", {}).get("authenticationMode", "")
    if mode == "CONFIG_MAP":
        give = "add its role to the ConfigMap aws-auth in kube-system"
    else:
        give = (
            f"`aws eks create-access-entry --cluster-name {settings.cluster} "
            "--principal-arn ARN --kubernetes-groups GROUP`"
        )
    return (
        "EKS knows the cluster's people by access entries, and AWS's permissions do not count: "
        f"`aws sts get-caller-identity` says who you are, {give} lets that in, and "
        f"`shipit rbac --env {environment} --group GROUP` prints what the group needs"
    )


def _in_the_way(cluster: dict[str, Any]) -> str:
    network = cluster.get("resourcesVpcConfig", {})
    if not network.get("endpointPublicAccess", True):
        return "its endpoint is private: it is reached from its VPC alone"
    if network.get("publicAccessCidrs", ["0.0.0.0/0"]) not in ([], ["0.0.0.0/0"]):
        return "its endpoint lets some networks in alone: this machine may not be in one of them"
    return ""
