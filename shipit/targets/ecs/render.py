"""A release in an environment as task definitions and services. Pure.

docs.aws.amazon.com/AmazonECS/latest/APIReference, RegisterTaskDefinition and CreateService.
"""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from shipit.errors import ConfigurationError
from shipit.model.application import replicas
from shipit.model.deployment import Desired
from shipit.model.duration import parse_duration
from shipit.model.image import Image, Platform
from shipit.model.pipeline import EcsTarget
from shipit.targets.ecs import container, groups, honoured, names, sizes, strategy, volumes
from shipit.targets.ecs.groups import Group

Json = dict[str, Any]
_CPU = {"amd64": "X86_64", "arm64": "ARM64"}


class Network(msgspec.Struct, frozen=True):
    """Ids, once tags are looked up."""

    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()


class Setting(msgspec.Struct, frozen=True):
    """Where an environment's services go: the target's settings with what is left out filled in."""

    target: EcsTarget
    prefix: str
    log_group: str
    region: str
    network: Network

    @property
    def fargate(self) -> bool:
        providers = self.target.capacity_providers
        if providers:
            return all(name.startswith("FARGATE") for name in providers)
        return self.target.launch_type != "ec2"

    @property
    def own(self) -> bool:
        """Whether each task has an address of its own (awsvpc)."""
        return self.fargate or bool(self.network.subnets)


class Rendered(msgspec.Struct, frozen=True):
    """One ECS service. `service` is without its count and its revision; `count` is asked for."""

    group: Group
    name: str
    task_definition: Json
    service: Json
    count: int
    notes: tuple[str, ...] = ()


def render(desired: Desired, setting: Setting) -> dict[str, Rendered]:
    """By the group's name. Raises ConfigurationError for what cannot be honoured, by its path."""
    project = desired.project
    alone = (*desired.before, *desired.after, *desired.scheduled)
    if desired.source:
        from shipit.targets.ecs import adopted

        honoured.refuse(project, alone, fargate=setting.fargate, own=setting.own)
        return adopted.rendered(desired, setting)
    everything = (*desired.services, *alone)
    honoured.refuse(project, everything, fargate=setting.fargate, own=setting.own)
    return {
        name: _rendered(desired, group, setting)
        for name, group in groups.groups(project, desired.services).items()
    }


def tasks(desired: Desired, setting: Setting) -> dict[str, Rendered]:
    """What is in no service, by its own name: one-offs, and what runs at its times."""
    alone = (*desired.before, *desired.after, *desired.scheduled)
    return {name: task(desired, name, setting) for name in alone}


def task(desired: Desired, name: str, setting: Setting) -> Rendered:
    """A one-off, or one more container of a service: alone, and never started again. A container of
    the team's own task definition comes with the others in it, which it may need."""
    if desired.source:
        from shipit.targets.ecs import adopted

        group = adopted.of_container(desired, name)
        if group:
            return adopted.rendered(desired, setting)[group]
    honoured.refuse(desired.project, (name,), fargate=setting.fargate, own=setting.own)
    return _rendered(desired, groups.alone(desired.project, name), setting)


def _rendered(desired: Desired, group: Group, setting: Setting) -> Rendered:
    project = desired.project
    definition, notes = _task_definition(desired, group, setting)
    head = project["services"][group.name]
    return Rendered(
        group=group,
        name=names.service_name(setting.prefix, group.name),
        task_definition=definition,
        service=service(project, group, setting),
        count=replicas(head),
        notes=(
            *notes,
            *groups.across(project, group),
            *honoured.notes(project, group.members),
        ),
    )


def _task_definition(desired: Desired, group: Group, setting: Setting) -> tuple[Json, list[str]]:
    project = desired.project
    place = container.Place(
        fargate=setting.fargate,
        own=setting.own,
        group=group.name,
        log_group=setting.log_group,
        region=setting.region,
        members=group.members,
    )
    made, notes = [], list[str]()
    for name in group.members:
        one, said = container.container(project, name, group.extensions[name], place)
        made.append(one)
        path = f"services.{name}"
        notes += said + container.port_notes(path, project["services"][name], place)
    size, more = _size(group, made, setting)
    definition: Json = {
        "family": names.service_name(setting.prefix, group.name),
        "networkMode": _network_mode(project, group, setting),
        "requiresCompatibilities": ["FARGATE" if setting.fargate else "EC2"],
        "containerDefinitions": made,
        "volumes": volumes.volumes(project, group.members, fargate=setting.fargate),
        "runtimePlatform": _platform(desired, group),
        "executionRoleArn": group.head.execution_role or setting.target.execution_role,
        "taskRoleArn": group.head.task_role or setting.target.task_role,
        **size,
    }
    if group.head.ephemeral_storage:
        definition["ephemeralStorage"] = {"sizeInGiB": group.head.ephemeral_storage}
    return {k: v for k, v in definition.items() if v}, notes + more


def _network_mode(project: Mapping[str, Any], group: Group, setting: Setting) -> str:
    if setting.own:
        return "awsvpc"
    return str(project["services"][group.name].get("network_mode") or "bridge")


def _size(group: Group, containers: list[Json], setting: Setting) -> tuple[Json, list[str]]:
    """Fargate sells pairs; on EC2 each container has its own, and some memory has to be named."""
    path = f"services.{group.name}.deploy.resources"
    if not setting.fargate:
        for one in containers:
            if not one.get("memory") and not one.get("memoryReservation"):
                raise ConfigurationError(
                    "on EC2 a container needs a limit or a reservation of memory",
                    path=f"services.{one['name']}.deploy.resources",
                    next_step="write `limits: {memory: 256m}`",
                )
        return {}, []
    cpu = sum(one.get("cpu", 0) for one in containers)
    memory = sum(one.get("memory") or one.get("memoryReservation") or 0 for one in containers)
    units, mib = sizes.fargate(cpu, memory, path)
    notes = []
    if (units, mib) != (cpu, memory):
        asked = (
            f"{cpu / sizes.SHARES:.3g} vCPU and {memory} MiB are" if cpu or memory else "none is"
        )
        notes = [
            f"{path}: {units / sizes.SHARES:g} vCPU and {mib} MiB on Fargate; {asked} asked for"
        ]
    return {"cpu": str(units), "memory": str(mib)}, notes


def _platform(desired: Desired, group: Group) -> Json:
    """As `platform:` says, else what all the images have; amd64 where they have both."""
    shared: set[str] | None = None
    for name in group.members:
        asked = desired.project["services"][name].get("platform")
        found = _architectures(name, desired.images[name], asked)
        if found:
            shared = found if shared is None else shared & found
    if shared is None:
        shared = {"amd64"}
    if not shared:
        raise ConfigurationError(
            "the containers of one task have no platform in common",
            path=f"services.{group.name}.platform",
        )
    chosen = "amd64" if "amd64" in shared else sorted(shared)[0]
    return {"cpuArchitecture": _CPU[chosen], "operatingSystemFamily": "LINUX"}


def _architectures(name: str, image: Image, asked: str | None) -> set[str]:
    path = f"services.{name}.platform"
    there = {
        p.platform.architecture
        for p in image.platforms
        if p.platform.os == "linux" and p.platform.architecture in _CPU
    }
    if image.platforms and not there:
        raise ConfigurationError("its image is for neither linux/amd64 nor linux/arm64", path=path)
    if not asked:
        return there
    wanted = Platform.parse(asked)
    if wanted.os != "linux" or wanted.architecture not in _CPU:
        raise ConfigurationError(f"ECS runs linux/amd64 and linux/arm64, not {asked}", path=path)
    if there and wanted.architecture not in there:
        raise ConfigurationError(
            f"its image is not there for {asked}",
            path=path,
            next_step="build it for that platform too (`build.platforms`)",
        )
    return {wanted.architecture}


def service(project: Mapping[str, Any], group: Group, setting: Setting) -> Json:
    """What CreateService and UpdateService share, count and revision apart."""
    head, deploy = group.head, project["services"][group.name].get("deploy") or {}
    daemon = deploy.get("mode") == "global"
    made: Json = {
        "deploymentConfiguration": strategy.configuration(
            deploy, replicas(project["services"][group.name]), head.alarms
        ),
        "networkConfiguration": network_configuration(setting),
        "loadBalancers": [
            {
                "targetGroupArn": balancer.target_group,
                "containerName": name,
                "containerPort": balancer.port,
            }
            for name in group.members
            for balancer in group.extensions[name].load_balancers
        ],
        "serviceRegistries": [
            {"registryArn": r.arn, **({"port": r.port} if r.port else {})}
            for r in head.service_registries
        ],
        "serviceConnectConfiguration": _connect(head),
        "enableExecuteCommand": head.exec,
        "schedulingStrategy": "DAEMON" if daemon else "REPLICA",
        **capacity(setting, daemon=daemon),
    }
    if head.health_check_grace_period:
        made["healthCheckGracePeriodSeconds"] = math.ceil(
            parse_duration(head.health_check_grace_period).total_seconds()
        )
    return {k: v for k, v in made.items() if v not in (None, [], {}, False)}


def network_configuration(setting: Setting) -> Json | None:
    if not setting.own:
        return None
    public = setting.target.assign_public_ip and setting.fargate
    return {
        "awsvpcConfiguration": {
            "subnets": sorted(setting.network.subnets),
            "securityGroups": sorted(setting.network.security_groups),
            "assignPublicIp": "ENABLED" if public else "DISABLED",
        }
    }


def capacity(setting: Setting, *, daemon: bool = False) -> Json:
    """Either a launch type, or capacity providers by weight. For a daemon, one task on every
    instance, ECS takes a launch type alone (CreateService)."""
    providers = setting.target.capacity_providers
    if providers and not daemon:
        chosen = [
            {"capacityProvider": name, "weight": weight, "base": 0}
            for name, weight in sorted(providers.items())
        ]
        return {"capacityProviderStrategy": chosen}
    return {"launchType": "FARGATE" if setting.fargate else "EC2"}


def _connect(head: Any) -> Json | None:
    said = head.service_connect
    if said is None:
        return None
    services = []
    for one in said.services:
        alias = {"port": one.port, **({"dnsName": one.dns} if one.dns else {})}
        services.append(
            {"portName": one.port_name, **({"clientAliases": [alias]} if one.port else {})}
        )
    made: Json = {"enabled": True, "namespace": said.namespace}
    return {**made, **({"services": services} if services else {})}
