"""A GKE cluster: Google's API knows its endpoint and certificate, Google's identity is the token.

cloud.google.com/kubernetes-engine/docs: "Customize your network isolation" (the endpoints), and
the REST reference of projects.locations.clusters. Needs the extra `gcp`.
"""

import base64
import importlib.util
import os
from collections.abc import Callable
from datetime import UTC
from functools import partial
from typing import Any, TypeVar

from shipit import google_credentials
from shipit.errors import ConfigurationError, PreconditionError
from shipit.model.pipeline import GkeTarget
from shipit.targets.kubernetes.reach import gke_pulls
from shipit.targets.kubernetes.reach.access import Access
from shipit.targets.kubernetes.reach.renewed import Renewed, Token

T = TypeVar("T")
_DEADLINE = 30.0  # seconds for a request
_EARLY = 120.0  # seconds before its end in which a token is replaced: it must reach the server too
_ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER"  # gcloud's own name for it
_PROJECTS = ("GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT")
_SERVING = ("RUNNING", "RECONCILING", "DEGRADED")
_LOGIN = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"


def access(settings: GkeTarget, environment: str) -> Access:
    """Asks Google for the cluster. Raises ConfigurationError and PreconditionError."""
    name = _resource(settings, environment)
    if not importlib.util.find_spec("google.cloud.container_v1"):
        raise PreconditionError(
            f"{name} cannot be looked up",
            "google-cloud-container is not installed",
            google_credentials.INSTALL,
        )
    authorization = Renewed(lambda: _token(name), early=_EARLY)
    found = _cluster(name, authorization(False).removeprefix("Bearer "))
    status = type(found.status)(found.status).name
    if status not in _SERVING:
        raise PreconditionError(
            f"the GKE cluster {settings.cluster} is {status}",
            found.status_message or "it has no API server to talk to",
            "wait until it is RUNNING, or name another one as target.gke.cluster",
        )
    host, is_dns = _endpoint(found, settings)
    kind = "Autopilot" if found.autopilot.enabled else found.current_master_version
    return Access(
        server=f"https://{host}",
        name=f"the GKE cluster {settings.cluster} in {settings.location} ({kind})",
        authorization=authorization,
        namespace="",
        # The DNS endpoint's certificate is one of Google's public ones.
        ca=b"" if is_dns else base64.b64decode(found.master_auth.cluster_ca_certificate),
        refused=f"{_LOGIN}; the identity needs roles/container.clusterViewer, and a Role in the "
        f"cluster: `shipit rbac --env {environment}` prints the least",
        unreached=_in_the_way(found, settings, is_dns=is_dns),
        pulls=partial(gke_pulls.judged, found, name.split("/")[1]),
    )


def _resource(settings: GkeTarget, environment: str) -> str:
    path = f"environments.{environment}.target.gke"
    project = settings.project or next(filter(None, map(os.environ.get, _PROJECTS)), "")
    for key, value in (
        ("project", project),
        ("location", settings.location),
        ("cluster", settings.cluster),
    ):
        if not value:
            raise ConfigurationError(
                "it is not said",
                file="shipit.yaml",
                path=f"{path}.{key}",
                next_step=f"write target: {{gke: {{{key}: …}}}}",
            )
    return f"projects/{project}/locations/{settings.location}/clusters/{settings.cluster}"


def _token(name: str) -> Token:
    found: Any = _mapped(name, google_credentials.find)
    if found is None:
        raise PreconditionError(f"there are no Google credentials for {name}", next_step=_LOGIN)
    _mapped(name, lambda: found.refresh(google_credentials.request))
    # google-auth's expiry is UTC without saying so.
    ends = found.expiry.replace(tzinfo=UTC).timestamp() if found.expiry else float("inf")
    return Token(str(found.token), ends)


def _cluster(name: str, token: str) -> Any:
    """Through the client library over REST, which goes through the same proxies as all else."""
    from google.cloud import container_v1
    from google.oauth2.credentials import Credentials

    endpoint = os.environ.get(_ENDPOINT, "").rstrip("/")
    client = container_v1.ClusterManagerClient(
        credentials=Credentials(token),
        transport="rest",
        client_options={"api_endpoint": endpoint} if endpoint else None,
    )
    with client:
        return _mapped(
            name,
            lambda: client.get_cluster(
                request=container_v1.GetClusterRequest(name=name), timeout=_DEADLINE
            ),
        )


def _mapped(name: str, call: Callable[[], T]) -> T:
    """The boundary: google-auth's and the client library's errors as one sentence each."""
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError

    try:
        return call()
    except exceptions.NotFound:
        raise PreconditionError(
            f"there is no GKE cluster {name}",
            next_step="`gcloud container clusters list` shows those that there are",
        ) from None
    except exceptions.Forbidden as error:
        raise PreconditionError(
            f"Google does not let us look at {name}",
            _said(error),
            "grant the identity roles/container.clusterViewer on the project",
        ) from None
    except exceptions.Unauthorized as error:
        raise PreconditionError(
            f"Google does not take the credentials for {name}", _said(error), _LOGIN
        ) from None
    except exceptions.GoogleAPIError as error:
        raise PreconditionError(
            f"Google does not answer for {name}", _said(error), "try again"
        ) from None
    except (GoogleAuthError, ValueError) as error:
        raise PreconditionError(
            f"there is no token of Google's for {name}", google_credentials.said(error), _LOGIN
        ) from None
    except OSError as error:  # requests' own errors are OSErrors too
        raise PreconditionError(
            f"Google cannot be reached for {name}", type(error).__name__, "try again"
        ) from None


def _said(error: Any) -> str:
    return " ".join(str(getattr(error, "message", "") or error).split())[:300]


def _endpoint(cluster: Any, settings: GkeTarget) -> tuple[str, bool]:
    """The host, and whether it is the DNS one. As gcloud chooses where the settings do not."""
    control = cluster.control_plane_endpoints_config
    dns = control.dns_endpoint_config.endpoint
    private = control.ip_endpoints_config.private_endpoint or (
        cluster.private_cluster_config.private_endpoint
    )
    public = control.ip_endpoints_config.public_endpoint or (
        cluster.private_cluster_config.public_endpoint
    )
    if not settings.endpoint:
        return (
            (cluster.endpoint, False) if cluster.endpoint else (_there(dns, "dns", settings), True)
        )
    if settings.endpoint == "dns":
        return _there(dns, "dns", settings), True
    if settings.endpoint == "private":
        return _there(private, "private", settings), False
    if not public and cluster.endpoint != private:
        public = cluster.endpoint
    return _there(public, "public", settings), False


def _there(host: str, kind: str, settings: GkeTarget) -> str:
    if host:
        return host
    raise PreconditionError(
        f"the GKE cluster {settings.cluster} has no {kind} endpoint",
        next_step="name another one as target.gke.endpoint: dns, public or private",
    )


def _in_the_way(cluster: Any, settings: GkeTarget, *, is_dns: bool) -> str:
    """Why nobody may answer there."""
    control = cluster.control_plane_endpoints_config
    if is_dns:
        open_ = control.dns_endpoint_config.allow_external_traffic
        return "" if open_ else "its DNS endpoint lets in Google's networks alone"
    private_only = cluster.private_cluster_config.enable_private_endpoint
    if settings.endpoint == "private" or private_only:
        other = ": with target.gke.endpoint: dns no VPN is needed"
        reach = "its private endpoint is reached from its VPC alone"
        return reach + (other if control.dns_endpoint_config.allow_external_traffic else "")
    if cluster.master_authorized_networks_config.enabled:
        return "it lets authorized networks in alone: this machine's address may not be among them"
    return ""
