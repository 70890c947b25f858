"""A load balancer with HTTPS, and two target groups, so that a second version can stand beside the
first."""

import pulumi
import pulumi_aws as aws

from foundation.aws_network import Network
from foundation.settings import Edge, Settings
from shipit.model.naming import short

_LONGEST = 32  # of a load balancer's name, and of a target group's
_TLS = "ELBSecurityPolicy-TLS13-1-2-2021-06"


class Balancer(pulumi.ComponentResource):
    """Internal, unless somebody outside is allowed in. What has to be made anew for another setting
    has that setting in its name: the new one is made before the old one goes."""

    def __init__(
        self, name: str, settings: Settings, network: Network, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("foundation:ecs:Balancer", name, None, opts)
        self._name, self._settings, self._network = name, settings, network
        self._own = pulumi.ResourceOptions(parent=self)
        edge = settings.ecs.edge
        if edge is None:
            raise pulumi.RunError("an edge needs a certificate")
        self._port = edge.port
        self.group = self._security(edge)
        self.balancer = aws.lb.LoadBalancer(
            name,
            name=short(f"lb-{name}-{'outside' if edge.allow else 'inside'}", _LONGEST),
            internal=not edge.allow,
            load_balancer_type="application",
            security_groups=[self.group.id],
            subnets=network.public_ids if edge.allow else network.private_ids,
            drop_invalid_header_fields=True,
            enable_deletion_protection=settings.protect,
            tags=settings.tags,
            opts=self._own,
        )
        self.blue, self.green = (self._targets(edge, colour) for colour in ("blue", "green"))
        self.listener = self._listen(edge)
        self.register_outputs({"address": self.balancer.dns_name})

    @property
    def to_tasks(self) -> aws.ec2.SecurityGroupIngressArgs:
        """What lets the balancer in."""
        return aws.ec2.SecurityGroupIngressArgs(
            protocol="tcp",
            from_port=self._port,
            to_port=self._port,
            security_groups=[self.group.id],
            description="the load balancer",
        )

    @property
    def outputs(self) -> dict[str, pulumi.Output[str]]:
        return {
            "address": self.balancer.dns_name,
            "listener": self.listener.arn,
            "target_group_blue": self.blue.arn,
            "target_group_green": self.green.arn,
        }

    def _security(self, edge: Edge) -> aws.ec2.SecurityGroup:
        allowed = list(edge.allow) or [self._settings.ecs.cidr]
        return aws.ec2.SecurityGroup(
            f"{self._name}-edge",
            description="The load balancer: HTTPS from who is allowed, out to the tasks",
            vpc_id=self._network.vpc.id,
            ingress=[
                {
                    "protocol": "tcp",
                    "from_port": port,
                    "to_port": port,
                    "cidr_blocks": allowed,
                    "description": what,
                }
                for port, what in ((443, "HTTPS"), (80, "redirected to HTTPS"))
            ],
            egress=[
                {
                    "protocol": "tcp",
                    "from_port": self._port,
                    "to_port": self._port,
                    "cidr_blocks": [self._settings.ecs.cidr],
                    "description": "the tasks",
                }
            ],
            tags={**self._settings.tags, "Name": f"{self._name}-edge"},
            opts=self._own,
        )

    def _targets(self, edge: Edge, colour: str) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            f"{self._name}-{colour}",
            name=f"{short(self._name, _LONGEST - 12)}-{colour}-{edge.port}",
            target_type="ip",
            port=edge.port,
            protocol="HTTP",
            vpc_id=self._network.vpc.id,
            deregistration_delay=30,
            health_check={
                "path": edge.health,
                "interval": 10,
                "timeout": 5,
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
                "matcher": "200-399",
            },
            tags=self._settings.tags,
            opts=self._own,
        )

    def _listen(self, edge: Edge) -> aws.lb.Listener:
        aws.lb.Listener(
            f"{self._name}-http",
            load_balancer_arn=self.balancer.arn,
            port=80,
            protocol="HTTP",
            default_actions=[
                {
                    "type": "redirect",
                    "redirect": {"port": "443", "protocol": "HTTPS", "status_code": "HTTP_301"},
                }
            ],
            tags=self._settings.tags,
            opts=self._own,
        )
        return aws.lb.Listener(
            f"{self._name}-https",
            load_balancer_arn=self.balancer.arn,
            port=443,
            protocol="HTTPS",
            ssl_policy=_TLS,
            certificate_arn=edge.certificate,
            default_actions=[
                {
                    "type": "forward",
                    "forward": {
                        "target_groups": [
                            {"arn": self.blue.arn, "weight": 100},
                            {"arn": self.green.arn, "weight": 0},
                        ]
                    },
                }
            ],
            tags=self._settings.tags,
            # Who shifts traffic owns the weights: a later `up` does not put them back.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["defaultActions"]),
        )
