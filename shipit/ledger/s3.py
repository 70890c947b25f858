"""S3, and whatever speaks its protocol (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL).

Credentials, in this order: the environment's keys; a web identity or a container's role, which the
environment names; then whatever botocore finds (profiles, SSO), where it is installed. The instance
metadata address is asked only where AWS_EC2_METADATA_DISABLED=false says so: on a laptop or in a
container asking it is a wait for nothing, and in CI it is somebody else's role.
"""

import importlib
import importlib.util
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shipit.errors import PreconditionError, UsageError
from shipit.ledger.bucket import Bucket, client_options, split

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_DEFAULT_REGION = "us-east-1"
_NAMED_BY_ENVIRONMENT = (  # obstore follows these itself, and renews what they give
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_TTL = timedelta(minutes=10)  # botocore renews on its own; this is how often it is asked
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def open_bucket(url: str) -> Bucket:
    """Raises UsageError for an address without a bucket, or one in the clear."""
    if not split(url)[0]:
        raise UsageError(
            f"ledger {url}: there is no bucket in it", next_step="write s3://bucket/prefix"
        )
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    insecure = plain_http(endpoint, allowed=os.environ.get("AWS_ALLOW_HTTP") == "true")

    def connect() -> "ObjectStore":
        return _connect(url, endpoint, insecure=insecure)

    return Bucket(connect, url, vouched=not endpoint)


def plain_http(endpoint: str, *, allowed: bool = False) -> bool:
    """Whether the endpoint is plain HTTP. Raises UsageError when it is and that is not safe."""
    parts = urlsplit(endpoint)
    if parts.scheme != "http":
        return False
    if parts.hostname not in LOOPBACK and not allowed:
        raise UsageError(
            f"the object store at {parts.hostname} would be spoken to in the clear",
            "its address starts with http:// and it is not on this machine",
            "use https://, or set AWS_ALLOW_HTTP=true if that network is yours alone",
        )
    return True


def _connect(url: str, endpoint: str, *, insecure: bool) -> "ObjectStore":
    from obstore.store import S3Store

    bucket, prefix = split(url)
    credentials, region = _credentials(url)
    env = os.environ.get
    config: Any = {"region": env("AWS_REGION") or env("AWS_DEFAULT_REGION") or region}
    if endpoint:
        config["endpoint"] = endpoint
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=config | credentials.pop("config", {}),
        **credentials,
        **client_options(allow_http=insecure),
    )


def _credentials(url: str) -> tuple[dict[str, Any], str]:
    """Arguments for S3Store, and the region that came with them."""
    env = os.environ.get
    key, secret = env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        keys = {"access_key_id": key, "secret_access_key": secret}
        token = env("AWS_SESSION_TOKEN")
        return {"config": {**keys, **({"session_token": token} if token else {})}}, _DEFAULT_REGION
    if any(env(name) for name in _NAMED_BY_ENVIRONMENT):
        return {}, _DEFAULT_REGION
    if importlib.util.find_spec("botocore"):
        return _from_botocore(url)
    raise _none(url, "boto3 is not installed, so profiles and SSO were not tried")


def _from_botocore(url: str) -> tuple[dict[str, Any], str]:
    botocore = importlib.import_module("botocore.session")
    failures = importlib.import_module("botocore.exceptions")
    try:
        session = botocore.get_session()
        if os.environ.get("AWS_EC2_METADATA_DISABLED") != "false":
            session.get_component("credential_provider").remove("iam-role")
        found = session.get_credentials()
        region = session.get_config_variable("region") or _DEFAULT_REGION
    except failures.BotoCoreError as error:
        raise _none(url, str(error)) from None
    if found is None:
        raise _none(url, "neither the environment nor a profile has any")

    def provide() -> dict[str, Any]:
        frozen = found.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _TTL,
        }

    return {"credential_provider": provide}, region


def _none(url: str, why: str) -> PreconditionError:
    return PreconditionError(
        f"there are no AWS credentials for the ledger in {url}",
        why,
        "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or set AWS_PROFILE (with boto3 "
        "installed); on an EC2 instance with a role, set AWS_EC2_METADATA_DISABLED=false",
    )
