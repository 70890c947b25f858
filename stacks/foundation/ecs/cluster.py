"""The cluster and what tasks run on."""

import base64
import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from foundation import policy, tagged
from foundation.aws_network import Network
from foundation.settings import Nodes, Settings

# The Amazon ECS developer guide, "Retrieving Amazon ECS-optimized Linux AMI metadata".
_IMAGE = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
_INSTANCE = "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
_FARGATE, _SPOT = "FARGATE", "FARGATE_SPOT"
_NOT_FIRST = ("aws", "ecs", "fargate")  # CreateCapacityProvider: no name begins so


class Cluster(pulumi.ComponentResource):
    """`capacity_providers` are what its tasks run on, by weight: the cluster's default, and what a
    target has to name, since a launch type goes past them and past the scaling of instances."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        network: Network,
        logs: aws.cloudwatch.LogGroup,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("foundation:ecs:Cluster", name, None, opts)
        self._name, self._settings, self._network = name, settings, network
        self._own = pulumi.ResourceOptions(parent=self)
        wanted = settings.ecs
        self.cluster = aws.ecs.Cluster(
            name,
            name=name,
            settings=[{"name": "containerInsights", "value": "enhanced"}],
            configuration={
                "execute_command_configuration": {
                    "logging": "OVERRIDE",
                    "log_configuration": {"cloud_watch_log_group_name": logs.name},
                }
            },
            tags=settings.tags,
            opts=self._own,
        )
        instances = [self._instances(wanted.instances)] if wanted.instances else []
        self.capacity_providers = pulumi.Output.all(*instances).apply(
            lambda own: _weights(own, spot=wanted.spot)
        )
        aws.ecs.ClusterCapacityProviders(
            name,
            cluster_name=self.cluster.name,
            capacity_providers=[_FARGATE, _SPOT, *instances],
            default_capacity_provider_strategies=self.capacity_providers.apply(_strategy),
            opts=self._own,
        )
        self.register_outputs({"cluster": self.cluster.name})

    def _instances(self, nodes: Nodes) -> pulumi.Output[str]:
        """The capacity provider's name. ECS scales the group, and drains an instance that goes."""
        group = aws.autoscaling.Group(
            self._name,
            vpc_zone_identifiers=self._network.private_ids,
            min_size=nodes.minimum,
            max_size=nodes.maximum,
            protect_from_scale_in=True,
            launch_template={"id": self._template(nodes).id, "version": "$Latest"},
            tags=[
                {"key": key, "value": value, "propagate_at_launch": True}
                for key, value in {**self._settings.tags, "AmazonECSManaged": "true"}.items()
            ],
            opts=self._own,
        )
        reserved = self._name.startswith(_NOT_FIRST)
        provider = aws.ecs.CapacityProvider(
            f"on-{self._name}" if reserved else self._name,
            auto_scaling_group_provider={
                "auto_scaling_group_arn": group.arn,
                "managed_termination_protection": "ENABLED",
                "managed_draining": "ENABLED",
                "managed_scaling": {"status": "ENABLED", "target_capacity": 100},
            },
            tags=self._settings.tags,
            opts=self._own,
        )
        return provider.name

    def _template(self, nodes: Nodes) -> aws.ec2.LaunchTemplate:
        role = aws.iam.Role(
            f"{self._name}-instance",
            assume_role_policy=policy.trust("ec2.amazonaws.com"),
            managed_policy_arns=[_INSTANCE],
            tags=self._settings.tags,
            opts=self._own,
        )
        profile = aws.iam.InstanceProfile(
            f"{self._name}-instance", role=role.name, tags=self._settings.tags, opts=self._own
        )
        group = aws.ec2.SecurityGroup(
            f"{self._name}-instances",
            description="Instances: nothing in, out to anywhere",
            vpc_id=self._network.vpc.id,
            egress=[
                {
                    "protocol": "-1",
                    "from_port": 0,
                    "to_port": 0,
                    "cidr_blocks": ["0.0.0.0/0"],
                    "description": "anywhere",
                }
            ],
            tags=self._settings.tags,
            opts=self._own,
        )
        return aws.ec2.LaunchTemplate(
            self._name,
            image_id=f"resolve:ssm:{_IMAGE}",
            instance_type=nodes.types[0],
            iam_instance_profile={"arn": profile.arn},
            vpc_security_group_ids=[group.id],
            metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
            block_device_mappings=[
                {
                    "device_name": "/dev/xvda",
                    "ebs": {
                        "volume_size": nodes.disk,
                        "volume_type": "gp3",
                        "encrypted": "true",
                        "delete_on_termination": "true",
                    },
                }
            ],
            tag_specifications=tagged.launched(self._settings.tags),
            user_data=self.cluster.name.apply(_user_data),
            tags=self._settings.tags,
            opts=self._own,
        )


def _weights(own: list[str], *, spot: bool) -> dict[str, int]:
    """A strategy is of one kind: Fargate's or instances' (CapacityProviderStrategyItem)."""
    if own:
        return dict.fromkeys(own, 1)
    return {_FARGATE: 1, _SPOT: 3} if spot else {_FARGATE: 1}


def _strategy(
    weights: Mapping[str, int],
) -> list[aws.ecs.ClusterCapacityProvidersDefaultCapacityProviderStrategyArgs]:
    """At least one task is where none is taken away."""
    return [
        aws.ecs.ClusterCapacityProvidersDefaultCapacityProviderStrategyArgs(
            capacity_provider=name, weight=weight, base=int(name == _FARGATE)
        )
        for name, weight in weights.items()
    ]


def _user_data(cluster: str) -> str:
    """The agent's configuration, as cloud-init writes it."""
    lines = f"ECS_CLUSTER={cluster}\nECS_ENABLE_SPOT_INSTANCE_DRAINING=true\n"
    config = {"write_files": [{"path": "/etc/ecs/ecs.config", "content": lines}]}
    return base64.b64encode(f"#cloud-config\n{json.dumps(config)}\n".encode()).decode()
