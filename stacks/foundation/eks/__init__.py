"""An EKS cluster in a network of its own: Auto Mode, or managed nodes where they are asked for."""

from typing import Any

import pulumi
import pulumi_aws as aws

from foundation.aws_network import Network
from foundation.eks.balancing import load_balancer_controller
from foundation.eks.cluster import Cluster
from foundation.eks.identity import access
from foundation.eks.nodes import managed
from foundation.settings import Settings

# EKS User Guide, "Subnet requirements": zones that take no cluster's control plane.
_WITHOUT = ("use1-az3", "usw1-az2", "cac1-az3")


def build(settings: Settings) -> dict[str, Any]:
    """The outputs have the names of `target.eks`'s settings."""
    wanted, name = settings.eks, settings.prefix
    provider = aws.Provider(name, region=wanted.region, default_tags={"tags": settings.tags})
    opts = pulumi.ResourceOptions(provider=provider, protect=settings.protect)
    network = Network(
        name,
        region=wanted.region,
        cidr=wanted.cidr,
        zones=wanted.zones,
        nat=wanted.nat,
        tags=settings.tags,
        public_tags={"kubernetes.io/role/elb": "1"},
        private_tags={"kubernetes.io/role/internal-elb": "1"},
        without=_WITHOUT,
        opts=opts,
    )
    cluster = Cluster(name, settings, network, opts=opts)
    if wanted.nodes:
        managed(name, settings, network, cluster, wanted.nodes, opts)
        load_balancer_controller(name, settings, cluster, network, opts)
    access(name, settings, cluster, opts)
    return {
        "region": wanted.region,
        "cluster": cluster.cluster.name,
        "namespace": wanted.namespace or settings.app,
    }
