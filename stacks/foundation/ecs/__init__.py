"""An ECS cluster on Fargate, and on EC2 where it is asked for, in a network of its own."""

from typing import Any

import pulumi
import pulumi_aws as aws

from foundation.aws_network import Network
from foundation.ecs.cluster import Cluster
from foundation.ecs.edge import Balancer
from foundation.ecs.identity import Identity
from foundation.settings import Settings

# As services of a Compose project do, by Service Connect or by names that are discovered.
_EACH_OTHER = aws.ec2.SecurityGroupIngressArgs(
    protocol="tcp", from_port=0, to_port=65535, self=True, description="each other"
)


def build(settings: Settings) -> dict[str, Any]:
    """The outputs have the names of `target.ecs`'s settings, and those of the edge beside them."""
    wanted, name = settings.ecs, settings.prefix
    provider = aws.Provider(
        name,
        region=wanted.region,
        default_tags={"tags": settings.tags},
    )
    opts = pulumi.ResourceOptions(provider=provider, protect=settings.protect)
    network = Network(
        name,
        region=wanted.region,
        cidr=wanted.cidr,
        zones=wanted.zones,
        nat=wanted.nat,
        tags=settings.tags,
        opts=opts,
    )
    logs = aws.cloudwatch.LogGroup(
        name,
        name=f"/ecs/{name}",
        retention_in_days=wanted.log_days,
        kms_key_id=wanted.key or None,
        tags=settings.tags,
        opts=opts,
    )
    identity = Identity(name, settings, logs, opts=opts)
    cluster = Cluster(name, settings, network, logs, opts=opts)
    balancer = Balancer(name, settings, network, opts=opts) if wanted.edge else None
    tasks = aws.ec2.SecurityGroup(
        f"{name}-tasks",
        description="Tasks: in from each other and the load balancer, out to anywhere",
        vpc_id=network.vpc.id,
        ingress=[_EACH_OTHER, *([balancer.to_tasks] if balancer else [])],
        egress=[
            {
                "protocol": "-1",
                "from_port": 0,
                "to_port": 0,
                "cidr_blocks": ["0.0.0.0/0"],
                "description": "anywhere",
            }
        ],
        tags={**settings.tags, "Name": f"{name}-tasks"},
        opts=opts,
    )
    return {
        "region": wanted.region,
        "cluster": cluster.cluster.name,
        "capacity_providers": cluster.capacity_providers,
        "subnets": network.private_ids,
        "security_groups": [tasks.id],
        "execution_role": identity.execution.arn,
        "task_role": identity.task.arn,
        "log_group": logs.name,
        **(balancer.outputs if balancer else {}),
    }
