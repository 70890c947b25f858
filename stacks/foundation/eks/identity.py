"""Who may do what in the cluster."""

import pulumi
import pulumi_aws as aws

from foundation.eks.cluster import Cluster
from foundation.settings import Settings

_EDIT = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"


def access(name: str, settings: Settings, cluster: Cluster, opts: pulumi.ResourceOptions) -> None:
    """Each deployer may change one namespace and nothing else."""
    for n, role in enumerate(settings.eks.deployers):
        entry = aws.eks.AccessEntry(
            f"{name}-deployer-{n}",
            cluster_name=cluster.cluster.name,
            principal_arn=role,
            tags=settings.tags,
            opts=opts,
        )
        aws.eks.AccessPolicyAssociation(
            f"{name}-deployer-{n}",
            cluster_name=cluster.cluster.name,
            principal_arn=entry.principal_arn,
            policy_arn=_EDIT,
            access_scope={
                "type": "namespace",
                "namespaces": [settings.eks.namespace or settings.app],
            },
            opts=opts,
        )
