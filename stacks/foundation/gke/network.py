"""A VPC-native network: a subnet with ranges for pods and services, and a NAT for what leaves."""

import pulumi
import pulumi_gcp as gcp

from foundation.settings import Settings


class Network(pulumi.ComponentResource):
    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions) -> None:
        super().__init__("foundation:gke:Network", name, None, opts)
        own, wanted = pulumi.ResourceOptions(parent=self), settings.gke
        region = _region(wanted.location)
        self.network = gcp.compute.Network(
            name, name=name, project=wanted.project, auto_create_subnetworks=False, opts=own
        )
        self.subnet = gcp.compute.Subnetwork(
            name,
            name=name,
            project=wanted.project,
            region=region,
            network=self.network.id,
            ip_cidr_range=wanted.cidr,
            private_ip_google_access=True,
            secondary_ip_ranges=[
                {"range_name": "pods", "ip_cidr_range": wanted.pods},
                {"range_name": "services", "ip_cidr_range": wanted.services},
            ],
            log_config={"aggregation_interval": "INTERVAL_10_MIN", "flow_sampling": 0.1},
            opts=own,
        )
        router = gcp.compute.Router(
            name,
            name=name,
            project=wanted.project,
            region=region,
            network=self.network.id,
            opts=own,
        )
        gcp.compute.RouterNat(
            name,
            name=name,
            project=wanted.project,
            region=region,
            router=router.name,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
            log_config={"enable": True, "filter": "ERRORS_ONLY"},
            opts=own,
        )
        self.register_outputs({"subnet": self.subnet.id})


def _region(location: str) -> str:
    """europe-west1-b is a zone of europe-west1."""
    parts = location.split("-")
    return "-".join(parts[:2])
