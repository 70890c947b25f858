"""Amazon ECR, private and public: a token for twelve hours in exchange for AWS credentials.

docs.aws.amazon.com/AmazonECR, "Private registry authentication" and "Public registry
authentication". Needs boto3: the extra `aws`.
"""

import base64
import binascii
import time
from datetime import UTC, datetime
from typing import Any

from shipit.registry import aws
from shipit.registry.credentials import Credentials
from shipit.registry.keychain import NOT_MINE


class ECR:
    """GetAuthorizationToken, in the account and region that the registry's name holds."""

    name = "ECR"

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def resolve(self, registry: str) -> Credentials | None:
        host = aws.parse(registry)
        if host is None:
            return self._decline(registry, NOT_MINE)
        if not aws.is_installed():
            return self._decline(registry, aws.EXTRA)
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            return _credentials(_ask(host), f"{self.name} ({host.region})")
        except NoCredentialsError:
            return self._decline(
                registry,
                "there are no AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or on an "
                "instance with a role AWS_EC2_METADATA_DISABLED=false",
            )
        except (BotoCoreError, ClientError) as error:
            return self._decline(registry, f"GetAuthorizationToken: {aws.said(error)}")
        except (LookupError, ValueError, binascii.Error):
            return self._decline(registry, "GetAuthorizationToken gave no token")

    def reason(self, registry: str) -> str:
        return self._reasons.get(registry, "")

    def _decline(self, registry: str, reason: str) -> Credentials | None:
        self._reasons[registry] = reason
        return None


def _ask(host: aws.Host) -> dict[str, Any]:
    """`authorizationToken` and `expiresAt`."""
    with aws.client(host) as client:
        answer = client.get_authorization_token(
            **({"registryIds": [host.account]} if host.account else {})
        )
    found = answer["authorizationData"]
    data: dict[str, Any] = found[0] if host.account else found
    return data


def _credentials(data: dict[str, Any], source: str) -> Credentials:
    """The token is base64 of user:password. Raises LookupError and ValueError for another."""
    user, colon, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    if not colon:
        raise ValueError(user)
    left = (data["expiresAt"] - datetime.now(UTC)).total_seconds()
    return Credentials.basic(user, password, source, expires=time.monotonic() + left)
