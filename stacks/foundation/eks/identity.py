"""Who may do what in the cluster, and what the cluster's own parts may do in AWS."""

import pulumi
import pulumi_aws as aws

from foundation import policy
from foundation.aws_network import Network
from foundation.eks.cluster import Cluster
from foundation.settings import Settings

_EDIT = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"
_PODS = "pods.eks.amazonaws.com"
# AWS takes no resource for what describes (Service Authorization Reference, EC2 and ELBv2).
_LOOKS = (
    *("ec2:DescribeAvailabilityZones", "ec2:DescribeInternetGateways", "ec2:DescribeSubnets"),
    *("ec2:DescribeSecurityGroups", "ec2:DescribeVpcs", "ec2:DescribeNetworkInterfaces"),
    *("ec2:DescribeInstances", "ec2:DescribeTags", "ec2:DescribeRouteTables"),
    *("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeListeners"),
    *("elasticloadbalancing:DescribeLoadBalancerAttributes", "elasticloadbalancing:DescribeTags"),
    *("elasticloadbalancing:DescribeListenerCertificates", "elasticloadbalancing:DescribeRules"),
    *("elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"),
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "elasticloadbalancing:DescribeSSLPolicies",
    *("acm:ListCertificates", "acm:DescribeCertificate"),
)
_BALANCERS = (
    *("elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:DeleteLoadBalancer"),
    *("elasticloadbalancing:CreateListener", "elasticloadbalancing:DeleteListener"),
    *("elasticloadbalancing:CreateRule", "elasticloadbalancing:DeleteRule"),
    *("elasticloadbalancing:CreateTargetGroup", "elasticloadbalancing:DeleteTargetGroup"),
    *("elasticloadbalancing:ModifyLoadBalancerAttributes", "elasticloadbalancing:SetSubnets"),
    *("elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyRule"),
    *("elasticloadbalancing:ModifyTargetGroup", "elasticloadbalancing:ModifyTargetGroupAttributes"),
    *("elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"),
    *("elasticloadbalancing:SetSecurityGroups", "elasticloadbalancing:SetIpAddressType"),
    *("elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"),
    "elasticloadbalancing:AddListenerCertificates",
    "elasticloadbalancing:RemoveListenerCertificates",
)
_GROUPS = (
    *("ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup", "ec2:CreateTags", "ec2:DeleteTags"),
    *("ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"),
)


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


def load_balancer_controller(
    name: str,
    settings: Settings,
    cluster: Cluster,
    network: Network,
    opts: pulumi.ResourceOptions,
) -> aws.iam.Role:
    """The identity of kube-system/aws-load-balancer-controller, by EKS Pod Identity."""
    role = aws.iam.Role(
        f"{name}-balancer",
        assume_role_policy=policy.trust(_PODS, ("sts:AssumeRole", "sts:TagSession")),
        tags=settings.tags,
        opts=opts,
    )
    region = settings.eks.region
    arn = policy.arns(region, pulumi.InvokeOptions(provider=opts.provider))
    here = {"StringEquals": {"aws:RequestedRegion": region}}
    balancing = ("loadbalancer/*", "listener/*", "listener-rule/*", "targetgroup/*")
    document = policy.document(
        policy.allow("Look", _LOOKS, ("*",), here),
        policy.allow(
            "Balance", _BALANCERS, [arn("elasticloadbalancing", one) for one in balancing]
        ),
        policy.allow("Guard", _GROUPS, [arn("ec2", "security-group/*"), network.vpc.arn]),
    )
    aws.iam.RolePolicy(f"{name}-balancer", role=role.id, policy=document, opts=opts)
    aws.eks.PodIdentityAssociation(
        f"{name}-balancer",
        cluster_name=cluster.cluster.name,
        namespace="kube-system",
        service_account="aws-load-balancer-controller",
        role_arn=role.arn,
        tags=settings.tags,
        opts=opts,
    )
    return role
