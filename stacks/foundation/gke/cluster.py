"""The cluster: regional, private nodes, workload identity, Gateway API."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_gcp as gcp

from foundation.gke.identity import Identity
from foundation.gke.network import Network
from foundation.settings import Gke, Settings

_SYSTEM = ["SYSTEM_COMPONENTS", "WORKLOADS"]


class Cluster(pulumi.ComponentResource):
    def __init__(
        self,
        name: str,
        settings: Settings,
        network: Network,
        identity: Identity,
        labels: Mapping[str, str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("foundation:gke:Cluster", name, None, opts)
        wanted = settings.gke
        self.cluster = gcp.container.Cluster(
            name,
            name=name,
            project=wanted.project,
            location=wanted.location,
            network=network.network.id,
            subnetwork=network.subnet.id,
            networking_mode="VPC_NATIVE",
            ip_allocation_policy={
                "cluster_secondary_range_name": "pods",
                "services_secondary_range_name": "services",
            },
            private_cluster_config={
                "enable_private_nodes": True,
                "enable_private_endpoint": not wanted.allow,
                "master_ipv4_cidr_block": wanted.control_plane,
            },
            master_authorized_networks_config={
                "cidr_blocks": [{"cidr_block": one, "display_name": one} for one in wanted.allow]
            },
            control_plane_endpoints_config={
                "dns_endpoint_config": {"allow_external_traffic": True}
            },
            release_channel={"channel": wanted.channel},
            maintenance_policy=gcp.container.ClusterMaintenancePolicyArgs(
                recurring_window=window(wanted.maintenance)
            ),
            workload_identity_config={"workload_pool": f"{wanted.project}.svc.id.goog"},
            gateway_api_config={"channel": "CHANNEL_STANDARD"},
            logging_config={"enable_components": _SYSTEM},
            monitoring_config={
                "enable_components": ["SYSTEM_COMPONENTS"],
                "managed_prometheus": {"enabled": True},
            },
            deletion_protection=settings.protect,
            resource_labels=dict(labels),
            opts=pulumi.ResourceOptions(parent=self),
            **_kind(wanted, identity),
        )
        self.register_outputs({"cluster": self.cluster.name})


def _kind(wanted: Gke, identity: Identity) -> dict[str, Any]:
    if wanted.nodes is None:
        own = {"auto_provisioning_defaults": {"service_account": identity.node.email}}
        return {"enable_autopilot": True, "cluster_autoscaling": own}
    return {
        "initial_node_count": 1,
        "remove_default_node_pool": True,
        "datapath_provider": "ADVANCED_DATAPATH",
        "enable_shielded_nodes": True,
        "node_config": {"service_account": identity.node.email},
        "cost_management_config": {"enabled": True},
    }


def window(said: str) -> gcp.container.ClusterMaintenancePolicyRecurringWindowArgs:
    """`SA,SU 02:00-08:00` as the API has it: a first window, and the days when it comes again."""
    days, hours = said.split()
    start, end = hours.split("-")
    return gcp.container.ClusterMaintenancePolicyRecurringWindowArgs(
        start_time=f"2026-01-03T{start}:00Z",
        end_time=f"2026-01-03T{end}:00Z",
        recurrence=f"FREQ=WEEKLY;BYDAY={days}",
    )
