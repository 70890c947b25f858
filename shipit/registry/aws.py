"""ECR's hosts, and a client of AWS's API for one of them."""

import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from typing import Any

import msgspec

PUBLIC_HOSTS = ("public.ecr.aws", "ecr-public.aws.com")
INSTALL = "pip install 'shipit[aws]'"
EXTRA = f"boto3 is not installed: {INSTALL}"
_PUBLIC_REGION = "us-east-1"  # the one region that knows the public registry
# AWS's partitions, as amazon-ecr-credential-helper knows them (ecr-login/api/client.go).
_HOST = re.compile(
    r"(?P<account>\d{12})\.dkr(?P<stack>[.-])ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9][a-z0-9-]*)\."
    r"(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn"
    r"|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
)


class Host(msgspec.Struct, frozen=True):
    """What an ECR registry's name says. `account` is "" for the public registry."""

    account: str
    region: str
    is_fips: bool = False
    is_dual_stack: bool = False

    @property
    def service(self) -> str:
        return "ecr" if self.account else "ecr-public"


def parse(registry: str) -> Host | None:
    """None when it is not a host of ECR's."""
    if registry in PUBLIC_HOSTS:
        return Host("", _PUBLIC_REGION)
    found = _HOST.fullmatch(registry)
    if not found:
        return None
    return Host(
        found["account"],
        found["region"],
        is_fips=bool(found["fips"]),
        is_dual_stack=found["stack"] == "-",
    )


def is_installed() -> bool:
    return importlib.util.find_spec("boto3") is not None


@contextmanager
def client(host: Host) -> Iterator[Any]:
    """boto3's client for the host's region, with deadlines, closed in the end.

    The instance metadata address is asked only where AWS_EC2_METADATA_DISABLED=false says so: on a
    laptop or in a container asking it is a wait for nothing. Raises botocore's exceptions.
    """
    import boto3
    import botocore.session
    from botocore.config import Config

    session = botocore.session.get_session()
    session.register_component("data_loader", _loader())
    if os.environ.get("AWS_EC2_METADATA_DISABLED") != "false":
        session.get_component("credential_provider").remove("iam-role")
    config = Config(
        connect_timeout=10,
        read_timeout=30,
        retries={"total_max_attempts": 4, "mode": "standard"},
        **_endpoint(host),
    )
    made = boto3.session.Session(botocore_session=session).client(
        host.service, region_name=host.region, config=config
    )
    with closing(made):
        yield made


@cache
def _loader() -> Any:
    """AWS's descriptions of its services: reading them is most of what a client costs."""
    from botocore.loaders import create_loader

    return create_loader()


def _endpoint(host: Host) -> dict[str, bool]:
    """As the registry's own. Where an endpoint is named these would be an error to botocore."""
    named = ("AWS_ENDPOINT_URL", f"AWS_ENDPOINT_URL_{host.service.upper().replace('-', '_')}")
    if any(os.environ.get(name) for name in named):
        return {}
    asked = {"use_fips_endpoint": host.is_fips, "use_dualstack_endpoint": host.is_dual_stack}
    return {name: True for name, wanted in asked.items() if wanted}


def said(error: Exception) -> str:
    """botocore's error in one line: its code and message where AWS answered."""
    answer = getattr(error, "response", {}).get("Error", {})
    text = ": ".join(str(answer[k]) for k in ("Code", "Message") if answer.get(k)) or str(error)
    return " ".join(text.split())
