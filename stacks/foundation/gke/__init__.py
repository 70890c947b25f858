"""A GKE cluster in a network of its own: Autopilot, or node pools where they are asked for."""

from typing import Any

import pulumi
import pulumi_gcp as gcp

from foundation.gke.cluster import Cluster
from foundation.gke.identity import Identity
from foundation.gke.network import Network
from foundation.gke.nodes import pool
from foundation.naming import label
from foundation.settings import Settings


def labels(settings: Settings) -> dict[str, str]:
    """The tags, as Google Cloud takes them."""
    return {label(key): label(value) for key, value in settings.tags.items()}


def build(settings: Settings) -> dict[str, Any]:
    """The outputs have the names of `target.gke`'s settings."""
    wanted, name = settings.gke, settings.prefix
    provider = gcp.Provider(name, project=wanted.project, default_labels=labels(settings))
    opts = pulumi.ResourceOptions(provider=provider, protect=settings.protect)
    network = Network(name, settings, opts=opts)
    identity = Identity(name, settings, opts=opts)
    cluster = Cluster(name, settings, network, identity, labels(settings), opts=opts)
    if wanted.nodes:
        pool(name, settings, cluster, identity, wanted.nodes, labels(settings), opts)
    return {
        "project": wanted.project,
        "location": wanted.location,
        "cluster": cluster.cluster.name,
        # What is not in the cluster's network, as a workflow is not, gets in by IAM at this one.
        "endpoint": "dns",
        "namespace": settings.app,
    }
