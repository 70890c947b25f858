"""A node pool of ours, where Autopilot is not wanted."""

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from foundation.gke.cluster import Cluster
from foundation.gke.identity import Identity
from foundation.settings import Nodes, Settings


def pool(
    name: str,
    settings: Settings,
    cluster: Cluster,
    identity: Identity,
    nodes: Nodes,
    labels: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> gcp.container.NodePool:
    """Shielded machines that pull as an account of their own, in every zone of the region."""
    return gcp.container.NodePool(
        name,
        name="default",
        project=settings.gke.project,
        location=settings.gke.location,
        cluster=cluster.cluster.name,
        autoscaling={"min_node_count": nodes.minimum, "max_node_count": nodes.maximum},
        management={"auto_repair": True, "auto_upgrade": True},
        upgrade_settings={"max_surge": 1, "max_unavailable": 0},
        node_config={
            "machine_type": nodes.types[0],
            "disk_size_gb": nodes.disk,
            "service_account": identity.node.email,
            "oauth_scopes": ["https://www.googleapis.com/auth/cloud-platform"],
            "workload_metadata_config": {"mode": "GKE_METADATA"},
            "shielded_instance_config": {
                "enable_secure_boot": True,
                "enable_integrity_monitoring": True,
            },
            "resource_labels": dict(labels),
        },
        opts=opts,
    )
