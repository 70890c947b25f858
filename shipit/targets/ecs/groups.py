"""Which compose services make one task: each its own, and sidecars (`x-ecs: {task: web}`) with
theirs. The group has the name of the service that it is about, its head."""

from collections.abc import Mapping
from typing import Any

import msgspec

from shipit.errors import ConfigurationError, did_you_mean
from shipit.model.application import dependencies, long_running, replicas
from shipit.targets.ecs import extension


class Group(msgspec.Struct, frozen=True):
    """`members` with the head first; `extensions` are their x-ecs."""

    name: str
    members: tuple[str, ...]
    extensions: dict[str, extension.Service]

    @property
    def head(self) -> extension.Service:
        return self.extensions[self.name]


def groups(project: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Group]:
    """The groups that these services are in, whole, by name and in order.

    Raises ConfigurationError.
    """
    everything = long_running(dict(project))
    found = {
        name: extension.service(f"services.{name}", project["services"][name])
        for name in everything
    }
    heads = {name: said.task or name for name, said in found.items()}
    for name, head in heads.items():
        _refuse(project, name, head, heads)
    return {
        head: Group(
            head,
            (head, *(n for n, its in heads.items() if its == head and n != head)),
            {n: found[n] for n, its in heads.items() if its == head},
        )
        for head in everything
        if heads[head] == head and any(heads.get(name) == head for name in names)
    }


def alone(project: Mapping[str, Any], name: str) -> Group:
    """A one-off task: one container."""
    said = extension.service(f"services.{name}", project["services"][name])
    return Group(name, (name,), {name: said})


def across(project: Mapping[str, Any], group: Group) -> list[str]:
    """Notes: what a member depends on in another task, which ECS does not order."""
    services = project["services"]
    return [
        f"services.{name}.depends_on.{needed}: {name} does not wait for it, since ECS orders the"
        " containers of one task alone"
        for name in group.members
        for needed in dependencies(services[name])
        if needed not in group.members
        and needed in services
        and not (services[needed].get("x-shipit") or {}).get("run")
    ]


def _refuse(project: Mapping[str, Any], name: str, head: str, heads: Mapping[str, str]) -> None:
    path = f"services.{name}.{extension.KEY}.task"
    if head not in heads:
        raise ConfigurationError(
            f"there is no long-running service {head}{did_you_mean(head, heads)}", path=path
        )
    if heads[head] != head:
        raise ConfigurationError(f"{head} is itself in the task of {heads[head]}", path=path)
    asked = replicas(project["services"][name])
    of_head = replicas(project["services"][head])
    if name != head and asked not in (1, of_head):
        raise ConfigurationError(
            f"{name} is in the task of {head}, of which there are {of_head}",
            path=f"services.{name}.deploy.replicas",
            next_step="leave it out",
        )
