"""The cluster: a private endpoint, secrets encrypted with a key of its own, and the logs of the
control plane kept."""

import pulumi
import pulumi_aws as aws

from foundation import policy
from foundation.aws_network import Network
from foundation.settings import Settings

_LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_POLICIES = "arn:aws:iam::aws:policy/"
# EKS User Guide, "Amazon EKS Auto Mode cluster IAM role".
_AUTO = (
    *("AmazonEKSComputePolicy", "AmazonEKSBlockStoragePolicy"),
    *("AmazonEKSLoadBalancingPolicy", "AmazonEKSNetworkingPolicy"),
)
_AUTO_NODE = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")


class Cluster(pulumi.ComponentResource):
    def __init__(
        self, name: str, settings: Settings, network: Network, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("foundation:eks:Cluster", name, None, opts)
        self._name, self._settings = name, settings
        self._own = pulumi.ResourceOptions(parent=self)
        wanted, auto = settings.eks, settings.eks.nodes is None
        self.key = aws.kms.Key(
            name,
            description=f"Secrets of the cluster {name}",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            tags=settings.tags,
            opts=self._own,
        )
        role = self._role(
            "cluster", "eks.amazonaws.com", ("AmazonEKSClusterPolicy", *(_AUTO if auto else ()))
        )
        logs = aws.cloudwatch.LogGroup(
            name,
            name=f"/aws/eks/{name}/cluster",
            retention_in_days=wanted.log_days,
            tags=settings.tags,
            opts=self._own,
        )
        node = self._role("node", "ec2.amazonaws.com", _AUTO_NODE) if auto else None
        self.cluster = aws.eks.Cluster(
            name,
            name=name,
            role_arn=role.arn,
            version=wanted.version or None,
            bootstrap_self_managed_addons=not auto,
            deletion_protection=settings.protect,
            access_config={
                "authentication_mode": "API",
                "bootstrap_cluster_creator_admin_permissions": False,
            },
            vpc_config={
                "subnet_ids": network.private_ids,
                "endpoint_private_access": True,
                "endpoint_public_access": bool(wanted.allow),
                **({"public_access_cidrs": list(wanted.allow)} if wanted.allow else {}),
            },
            encryption_config={"provider": {"key_arn": self.key.arn}, "resources": ["secrets"]},
            enabled_cluster_log_types=list(_LOGS),
            compute_config=None
            if node is None
            else {
                "enabled": True,
                "node_pools": ["general-purpose", "system"],
                "node_role_arn": node.arn,
            },
            kubernetes_network_config={"elastic_load_balancing": {"enabled": auto}},
            storage_config={"block_storage": {"enabled": auto}},
            tags=settings.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[logs]),
        )
        self.register_outputs({"cluster": self.cluster.name})

    def _role(self, kind: str, service: str, policies: tuple[str, ...]) -> aws.iam.Role:
        actions = ("sts:AssumeRole", "sts:TagSession") if kind == "cluster" else ("sts:AssumeRole",)
        role = aws.iam.Role(
            f"{self._name}-{kind}",
            assume_role_policy=policy.trust(service, actions),
            tags=self._settings.tags,
            opts=self._own,
        )
        for one in policies:
            aws.iam.RolePolicyAttachment(
                f"{self._name}-{kind}-{one}",
                role=role.name,
                policy_arn=f"{_POLICIES}{one}",
                opts=self._own,
            )
        return role
