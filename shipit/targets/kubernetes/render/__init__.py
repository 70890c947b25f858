"""A release in an environment as Kubernetes objects. Pure.

kubernetes.io/docs/reference/kubernetes-api; what of Compose is honoured, and what is refused by its
path, is in honoured.py.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from shipit.errors import ConfigurationError
from shipit.model.deployment import Desired
from shipit.targets.kubernetes import extension, honoured, names
from shipit.targets.kubernetes.render import (
    accounts,
    adopted,
    claims,
    configs,
    isolation,
    jobs,
    labels,
    patches,
    rollout,
    routes,
    scaling,
    services,
    sharing,
    workloads,
)
from shipit.targets.kubernetes.render.scope import Scope, Setting
from shipit.targets.kubernetes.strategies import held_back

__all__ = ["Rendered", "Setting", "job", "needs", "render"]

Json = dict[str, Any]
# What others need comes first.
_ORDER = (
    *("ServiceAccount", "ConfigMap", "PersistentVolumeClaim", "Service"),
    *("Deployment", "StatefulSet", "DaemonSet", "CronJob"),
    *("PodDisruptionBudget", "HorizontalPodAutoscaler", "Ingress", "HTTPRoute", "NetworkPolicy"),
)
_NEEDED = ("ServiceAccount", "ConfigMap", "PersistentVolumeClaim")


class Rendered(msgspec.Struct, frozen=True):
    """`objects` in the order in which they are applied. `workloads` by compose service: the one
    whose rollout proves it, which is another service's where the two share pods (`beside`, by the
    service the one whose pods it is in). `notes` are for the plan."""

    objects: tuple[Json, ...]
    workloads: dict[str, Json]
    beside: dict[str, str] = {}
    notes: tuple[str, ...] = ()


def render(desired: Desired, setting: Setting) -> Rendered:
    """Raises ConfigurationError for what cannot be honoured, by its path."""
    scope = Scope(desired, setting)
    if desired.source:
        honoured.refuse(desired.project, (*desired.before, *desired.after))
        _refuse_tasks(scope)
        objects = adopted.objects(scope)
        return Rendered(objects, adopted.workloads(objects))
    honoured.refuse(desired.project, scope.everything)
    services.refuse_two_of_a_name(scope)
    sharing.refuse_of_tasks(scope)
    _refuse_tasks(scope)
    pods = sharing.pods(scope)
    made = _objects(scope, pods)
    _refuse_twins(made)
    _refuse_held_back(made)
    return Rendered(
        objects=tuple(sorted(made, key=lambda one: _ORDER.index(one["kind"]))),
        workloads={_service_of(one): one for one in made if _is_workload(one)},
        beside={member: head for head, members in pods.items() for member in members[1:]},
        notes=tuple(_notes(scope, pods)),
    )


def job(
    desired: Desired, service: str, setting: Setting, *, key: str, command: Sequence[str] = ()
) -> Json:
    """A batch/v1 Job that runs the service once, `command` in place of its own where there is one.

    The same `key` is the same name. Raises ConfigurationError.
    """
    scope = Scope(desired, setting)
    if desired.source:
        theirs = adopted.job(scope, service, key, command)
        if theirs is not None:
            return theirs
    honoured.refuse(desired.project, (service,))
    return patches.of_kind(scope, service, jobs.job(scope, service, key, command))


def needs(desired: Desired, service: str, setting: Setting) -> tuple[Json, ...]:
    """What has to be there before a Job of the service can run: it runs before anything is
    applied, in an environment where nothing may be yet."""
    scope = Scope(desired, setting)
    if desired.source and service not in (*desired.before, *desired.after):
        return ()
    wanted = set(claims.mounted(scope.definition(service)))
    held = {claims.name(scope, volume) for volume in wanted}
    return (
        *accounts.accounts(scope, (service,)),
        *configs.config_maps(scope, (service,)),
        *(one for one in _claims(scope) if one["metadata"]["name"] in held),
    )


def _refuse_tasks(scope: Scope) -> None:
    """What a Job could not have is found with the rest, and not when it is about to run."""
    for service in (*scope.desired.before, *scope.desired.after):
        patches.of_kind(scope, service, jobs.job(scope, service, "", ()))


def _refuse_twins(made: list[Json]) -> None:
    owners: dict[tuple[str, str], str] = {}
    for one in made:
        key, owner = (one["kind"], one["metadata"]["name"]), _service_of(one)
        if key in owners:
            raise ConfigurationError(
                f"two would be the {key[0]} {key[1]}, of {owners[key]} and of {owner}",
                path=f"services.{owner}",
                next_step="give one of them another name",
            )
        owners[key] = owner


def _refuse_held_back(made: list[Json]) -> None:
    """Nothing but a patch says so."""
    for one in made:
        held = held_back(one) if _is_workload(one) else None
        if held:
            where = (f"services.{_service_of(one)}.{extension.KEY}.patch", one["kind"], *held.steps)
            raise ConfigurationError(held.what, path=".".join(where), next_step=held.next_step)


def _service_of(one: Json) -> str:
    return str(one["metadata"]["labels"][names.NAME])


def _objects(scope: Scope, pods: dict[str, tuple[str, ...]]) -> list[Json]:
    made = [
        *accounts.accounts(scope, scope.everything),
        *configs.config_maps(scope, scope.everything),
        *_claims(scope),
        *isolation.policies(scope),
        *(jobs.cron_job(scope, service) for service in scope.desired.scheduled),
    ]
    for service in scope.desired.services:
        made += services.services(scope, service)
        made += routes.routes(scope, service)
        if service in pods:
            made += _workload(scope, pods[service])
    return [one for owner in _owners(made) for one in _patched(scope, owner, made)]


def _workload(scope: Scope, members: tuple[str, ...]) -> Iterator[Json]:
    made = workloads.workload(scope, members)
    yield made
    yield from scaling.budget(scope, members[0], made["kind"])
    yield from scaling.autoscaler(scope, members[0], made["kind"])


def _claims(scope: Scope) -> Iterator[Json]:
    by_name = {claims.name(scope, v): v for v in scope.project.get("volumes") or {}}
    for one in claims.claims(scope):
        volume = by_name[one["metadata"]["name"]]
        said = scope.section("volumes", volume).get("labels") or {}
        yield labels.marked(f"volumes.{volume}.labels", said, one)


def _owners(made: list[Json]) -> list[str]:
    return list(dict.fromkeys(_service_of(one) for one in made))


def _patched(scope: Scope, owner: str, made: list[Json]) -> list[Json]:
    own = [one for one in made if _service_of(one) == owner]
    if owner not in scope.everything:
        return own
    tasks = (*scope.desired.before, *scope.desired.after)
    return patches.patched(scope, owner, own, ("Job",) if owner in tasks else ())


def _is_workload(one: Json) -> bool:
    return one["kind"] in ("Deployment", "StatefulSet", "DaemonSet")


def _notes(scope: Scope, pods: dict[str, tuple[str, ...]]) -> Iterator[str]:
    yield from honoured.notes(scope.project, scope.desired.services, scope.everything)
    yield from claims.notes(scope)
    yield from services.notes(scope)
    for service, members in pods.items():
        deploy = scope.definition(service).get("deploy") or {}
        kind = workloads.kind_of(scope, members)
        yield from rollout.notes(f"services.{service}", deploy, kind)
