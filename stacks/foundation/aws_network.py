"""A VPC over several zones: public subnets for load balancers, private ones for everything else."""

import ipaddress
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

_LETTERS = "abcd"  # of the stack's own: a zone has other letters in another account


class Network(pulumi.ComponentResource):
    """`nat` gateways, 0 for a network that nothing leaves. The default security group lets nothing
    in or out, so that what names no group of its own reaches nothing. `without` are zones by their
    ids, as in use1-az3. Fewer zones in the region than are asked for are a pulumi.RunError."""

    def __init__(
        self,
        name: str,
        *,
        region: str,
        cidr: str,
        zones: int,
        nat: int,
        tags: Mapping[str, str],
        public_tags: Mapping[str, str] | None = None,
        private_tags: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("foundation:aws:Network", name, None, opts)
        self._name, self._tags, self._region = name, dict(tags), region
        self._own = pulumi.ResourceOptions(parent=self)
        self.vpc = aws.ec2.Vpc(
            name,
            cidr_block=cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._named(name),
            opts=self._own,
        )
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default",
            vpc_id=self.vpc.id,
            tags=self._named(f"{name}-unused"),
            opts=self._own,
        )
        self._zones = self._ask(zones, without)
        halves = list(ipaddress.ip_network(cidr).subnets(prefixlen_diff=4))
        self.public = self._subnets("public", halves[:zones], public_tags or {})
        self.private = self._subnets("private", halves[8 : 8 + zones], private_tags or {})
        self._to_the_world(min(nat, zones))
        self.register_outputs({"vpc": self.vpc.id})

    @property
    def private_ids(self) -> list[pulumi.Output[str]]:
        return [subnet.id for subnet in self.private]

    @property
    def public_ids(self) -> list[pulumi.Output[str]]:
        return [subnet.id for subnet in self.public]

    def _ask(self, zones: int, without: Sequence[str]) -> pulumi.Output[list[str]]:
        """Their names in this account: not every region has an a, a b and a c for everybody."""
        found = aws.get_availability_zones_output(
            state="available",
            # Local and Wavelength Zones are opted in to, and have no NAT gateways.
            filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
            exclude_zone_ids=list(without),
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        region = self._region
        return found.names.apply(lambda names: _first(zones, names, region))

    def _subnets(
        self,
        kind: str,
        blocks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network],
        tags: Mapping[str, str],
    ) -> list[aws.ec2.Subnet]:
        return [
            aws.ec2.Subnet(
                f"{self._name}-{kind}-{letter}",
                vpc_id=self.vpc.id,
                cidr_block=str(block),
                availability_zone=self._zones.apply(lambda names, n=n: names[n]),
                map_public_ip_on_launch=False,
                tags={**self._named(f"{self._name}-{kind}-{letter}"), **tags},
                # A zone that AWS adds must not move what stands in the others.
                opts=pulumi.ResourceOptions(parent=self, ignore_changes=["availabilityZone"]),
            )
            for n, (letter, block) in enumerate(zip(_LETTERS, blocks, strict=False))
        ]

    def _to_the_world(self, nat: int) -> None:
        name = self._name
        gateway = aws.ec2.InternetGateway(
            name, vpc_id=self.vpc.id, tags=self._named(name), opts=self._own
        )
        table = self._table("public")
        aws.ec2.Route(
            f"{name}-public",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=self._own,
        )
        for subnet, letter in zip(self.public, _LETTERS, strict=False):
            self._associate(f"public-{letter}", subnet, table)
        gateways = [self._nat(n, gateway) for n in range(nat)]
        tables = []
        for n, (subnet, letter) in enumerate(zip(self.private, _LETTERS, strict=False)):
            own = self._table(f"private-{letter}")
            tables.append(own)
            self._associate(f"private-{letter}", subnet, own)
            if gateways:
                aws.ec2.Route(
                    f"{name}-private-{letter}",
                    route_table_id=own.id,
                    destination_cidr_block="0.0.0.0/0",
                    nat_gateway_id=gateways[n % len(gateways)].id,
                    opts=self._own,
                )
        # ECR keeps layers in S3: through a gateway of its own they cost nothing on the way.
        aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=self.vpc.id,
            service_name=f"com.amazonaws.{self._region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags=self._named(f"{name}-s3"),
            opts=self._own,
        )

    def _nat(self, n: int, gateway: aws.ec2.InternetGateway) -> aws.ec2.NatGateway:
        name = f"{self._name}-{_LETTERS[n]}"
        after = pulumi.ResourceOptions(parent=self, depends_on=[gateway])
        address = aws.ec2.Eip(name, domain="vpc", tags=self._named(name), opts=after)
        return aws.ec2.NatGateway(
            name,
            allocation_id=address.id,
            subnet_id=self.public[n].id,
            tags=self._named(name),
            opts=after,
        )

    def _table(self, kind: str) -> aws.ec2.RouteTable:
        name = f"{self._name}-{kind}"
        return aws.ec2.RouteTable(name, vpc_id=self.vpc.id, tags=self._named(name), opts=self._own)

    def _associate(self, kind: str, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable) -> None:
        aws.ec2.RouteTableAssociation(
            f"{self._name}-{kind}", subnet_id=subnet.id, route_table_id=table.id, opts=self._own
        )

    def _named(self, name: str) -> dict[str, str]:
        return {**self._tags, "Name": name}


def _first(wanted: int, names: Sequence[str], region: str) -> list[str]:
    if len(names) < wanted:
        raise pulumi.RunError(
            f"{region} has {len(names)} zones for this account ({', '.join(names)}), and the stack"
            f" asks for {wanted}: say `zones: {len(names)}` in its settings"
        )
    return list(names[:wanted])
