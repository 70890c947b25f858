"""A shop whose staging stands on a small stack."""

SHIPIT_YAML = """\
app: shop
environments:
  staging:
    target: {ecs: {stack: staging}}
"""
PROGRAM = """\
import pulumi
import pulumi_aws as aws

network = aws.ec2.Vpc("main", cidr_block="10.0.0.0/16", tags={"size": "small"})
subnets = [
    aws.ec2.Subnet(f"private-{n}", vpc_id=network.id, cidr_block=f"10.0.{n}.0/24") for n in range(3)
]
cluster = aws.ecs.Cluster("shop", name="shop-staging")
pulumi.export("cluster", cluster.name)
pulumi.export("region", "eu-west-1")
pulumi.export("subnets", [s.id for s in subnets])
pulumi.export("password", pulumi.Output.secret("planted-secret"))
"""
