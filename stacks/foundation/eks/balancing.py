"""What the AWS Load Balancer Controller may do: look at all, and change what it made itself.

The actions are those of the controller's own policy (kubernetes-sigs/aws-load-balancer-controller,
docs/install/iam_policy.json), but for Cognito, WAF and Shield. The conditions are narrower: the
controller marks whatever it makes with its cluster's name, and another cluster's is not its own, as
AWS has it for Auto Mode (AmazonEKSLoadBalancingPolicy).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from foundation import policy
from foundation.aws_network import Network
from foundation.eks.cluster import Cluster
from foundation.settings import Settings

_PODS = "pods.eks.amazonaws.com"
_MARK = "elbv2.k8s.aws/cluster"
_SERVICE = "elasticloadbalancing.amazonaws.com"
_LINKED = f"role/aws-service-role/{_SERVICE}/AWSServiceRoleForElasticLoadBalancing"
_KINDS = ("loadbalancer/*", "listener/*", "listener-rule/*", "targetgroup/*")
# AWS takes no resource for what describes (Service Authorization Reference, EC2 and ELBv2).
_LOOKS = (
    *("ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeAvailabilityZones"),
    *("ec2:DescribeInternetGateways", "ec2:DescribeVpcs", "ec2:DescribeVpcPeeringConnections"),
    *("ec2:DescribeSubnets", "ec2:DescribeSecurityGroups", "ec2:DescribeInstances"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeTags", "ec2:DescribeRouteTables"),
    *("ec2:DescribeCoipPools", "ec2:DescribeIpamPools", "ec2:GetCoipPoolUsage"),
    "ec2:GetSecurityGroupsForVpc",
    *("acm:ListCertificates", "acm:DescribeCertificate"),
)
_SEES = (
    *("DescribeLoadBalancers", "DescribeLoadBalancerAttributes", "DescribeCapacityReservation"),
    *("DescribeListeners", "DescribeListenerAttributes", "DescribeListenerCertificates"),
    *("DescribeRules", "DescribeSSLPolicies", "DescribeTags", "DescribeTrustStores"),
    *("DescribeTargetGroups", "DescribeTargetGroupAttributes", "DescribeTargetHealth"),
)
_MAKES = ("CreateLoadBalancer", "CreateTargetGroup", "CreateListener", "CreateRule")
_CHANGES = (
    *("ModifyLoadBalancerAttributes", "SetIpAddressType", "SetSecurityGroups", "SetSubnets"),
    *("ModifyCapacityReservation", "ModifyIpPools", "DeleteLoadBalancer"),
    *("ModifyTargetGroup", "ModifyTargetGroupAttributes", "DeleteTargetGroup"),
    *("RegisterTargets", "DeregisterTargets"),
    *("ModifyListener", "ModifyListenerAttributes", "DeleteListener"),
    *("AddListenerCertificates", "RemoveListenerCertificates"),
    *("ModifyRule", "SetRulePriorities", "DeleteRule"),
)
_RULES = ("ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress")


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
    document = policy.document(
        policy.allow(
            "Look", (*_LOOKS, *_elb(*_SEES)), ("*",), _equal("aws:RequestedRegion", region)
        ),
        *_balancers(name, arn),
        *_groups(name, arn, cluster, network),
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


def _balancers(cluster: str, arn: policy.Arn) -> Iterator[policy.Statement]:
    """The first load balancer of an account makes a role that AWS itself has then."""
    yield policy.allow(
        "LetAwsIn",
        ("iam:CreateServiceLinkedRole",),
        (arn("iam", _LINKED),),
        _equal("iam:AWSServiceName", _SERVICE),
    )
    everything = [arn("elasticloadbalancing", kind) for kind in _KINDS]
    yield policy.allow("Balance", _elb(*_MAKES), everything, _marked(cluster))
    yield policy.allow(
        "MarkBalancers",
        _elb("AddTags"),
        everything,
        _both(_marked(cluster), _equal("elasticloadbalancing:CreateAction", list(_MAKES))),
    )
    yield policy.allow("ChangeBalancers", _elb(*_CHANGES), everything, _own(cluster))
    yield policy.allow("TagBalancers", _elb("AddTags", "RemoveTags"), everything, _kept(cluster))


def _groups(
    cluster: str, arn: policy.Arn, made: Cluster, network: Network
) -> Iterator[policy.Statement]:
    """Its own security groups, and the cluster's, which has to let its balancers in."""
    groups = (arn("ec2", "security-group/*"),)
    yield policy.allow("GroupInTheNetwork", ("ec2:CreateSecurityGroup",), (network.vpc.arn,))
    yield policy.allow("Group", ("ec2:CreateSecurityGroup",), groups, _marked(cluster))
    yield policy.allow(
        "MarkGroups",
        ("ec2:CreateTags",),
        groups,
        _both(_marked(cluster), _equal("ec2:CreateAction", "CreateSecurityGroup")),
    )
    yield policy.allow("TagGroups", ("ec2:CreateTags", "ec2:DeleteTags"), groups, _kept(cluster))
    yield policy.allow("Guard", (*_RULES, "ec2:DeleteSecurityGroup"), groups, _own(cluster))
    nodes = made.cluster.vpc_config.apply(
        lambda vpc: f"security-group/{vpc.cluster_security_group_id}"
    )
    yield policy.allow("ReachNodes", _RULES, (arn("ec2", nodes),))


def _elb(*actions: str) -> list[str]:
    return [f"elasticloadbalancing:{action}" for action in actions]


def _equal(key: str, value: Any) -> dict[str, Any]:
    return {"StringEquals": {key: value}}


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {"StringEquals": {**one["StringEquals"], **other["StringEquals"]}}


def _marked(cluster: str) -> dict[str, Any]:
    """What is being made is marked as the cluster's."""
    return _equal(f"aws:RequestTag/{_MARK}", cluster)


def _own(cluster: str) -> dict[str, Any]:
    """What is there is marked as the cluster's."""
    return _equal(f"aws:ResourceTag/{_MARK}", cluster)


def _kept(cluster: str) -> dict[str, Any]:
    """As `_own`, and the mark itself stays as it is."""
    return {**_own(cluster), "Null": {f"aws:RequestTag/{_MARK}": "true"}}
