"""Managed nodes, and the add-ons that they need. Auto Mode brings its own."""

import pulumi
import pulumi_aws as aws

from foundation import policy, tagged
from foundation.aws_network import Network
from foundation.eks.cluster import Cluster
from foundation.settings import Nodes, Settings

_POLICIES = "arn:aws:iam::aws:policy/"
_NODE = (
    *("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"),
    "AmazonEKS_CNI_Policy",
)
_ADDONS = ("vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent")


def managed(
    name: str,
    settings: Settings,
    network: Network,
    cluster: Cluster,
    nodes: Nodes,
    opts: pulumi.ResourceOptions,
) -> aws.eks.NodeGroup:
    """In the private subnets. They pull from ECR as themselves: pods need no secret for it."""
    role = aws.iam.Role(
        f"{name}-node",
        assume_role_policy=policy.trust("ec2.amazonaws.com"),
        tags=settings.tags,
        opts=opts,
    )
    attached = [
        aws.iam.RolePolicyAttachment(
            f"{name}-node-{one}", role=role.name, policy_arn=f"{_POLICIES}{one}", opts=opts
        )
        for one in _NODE
    ]
    template = aws.ec2.LaunchTemplate(
        f"{name}-node",
        metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
        block_device_mappings=[
            {
                "device_name": "/dev/xvda",
                "ebs": {"volume_size": nodes.disk, "volume_type": "gp3", "encrypted": "true"},
            }
        ],
        tag_specifications=tagged.launched(settings.tags),
        tags=settings.tags,
        opts=opts,
    )
    group = aws.eks.NodeGroup(
        name,
        cluster_name=cluster.cluster.name,
        node_role_arn=role.arn,
        subnet_ids=network.private_ids,
        instance_types=list(nodes.types),
        ami_type="AL2023_x86_64_STANDARD",
        scaling_config={
            "min_size": nodes.minimum,
            "max_size": nodes.maximum,
            "desired_size": nodes.minimum,
        },
        update_config={"max_unavailable": 1},
        launch_template={"id": template.id, "version": template.latest_version.apply(str)},
        tags=settings.tags,
        # An autoscaler owns the size between the limits.
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                depends_on=attached, ignore_changes=["scalingConfig.desiredSize"]
            ),
        ),
    )
    for addon in _ADDONS:
        aws.eks.Addon(
            f"{name}-{addon}",
            cluster_name=cluster.cluster.name,
            addon_name=addon,
            resolve_conflicts_on_update="PRESERVE",
            tags=settings.tags,
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[group])),
        )
    return group
