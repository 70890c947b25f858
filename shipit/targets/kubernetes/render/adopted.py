"""A team's own objects, as they are deployed: with the labels by which shipit finds them. Pure.

Nothing else of theirs is changed. Pods carry the labels, too, where what runs them is a workload
that is followed, a Job or a CronJob; a selector of theirs never uses them, so none breaks.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from shipit.errors import ConfigurationError
from shipit.targets.kubernetes import names, own, resources
from shipit.targets.kubernetes.render import jobs
from shipit.targets.kubernetes.render.scope import Scope

Json = dict[str, Any]
_TEMPLATES = (("spec", "template"), ("spec", "jobTemplate", "spec", "template"))
_ONCE_ONLY = ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle", "ports")


def objects(scope: Scope) -> tuple[Json, ...]:
    """In the order in which they are written. Raises ConfigurationError for a workload of another
    namespace: nobody would see its pods."""
    found = own.workloads(scope.desired.source)
    for one in found.values():
        _refuse_elsewhere(scope, one)
    services = {id(one): name for name, one in found.items()}
    for name, one in found.items():
        rollout = own.runs(scope.desired.source, one)
        services |= {id(rollout): name} if rollout else {}
    return tuple(_adopted(scope, one, services.get(id(one), "")) for one in scope.desired.source)


def workloads(found: Sequence[Json]) -> dict[str, Json]:
    return own.workloads(found)


def job(scope: Scope, service: str, key: str, command: Sequence[str]) -> Json | None:
    """A command in a pod as the workload's are, with its first container alone; None for what is
    none of theirs."""
    workload = own.workloads(scope.desired.source).get(service)
    if workload is None:
        return None
    template = deepcopy(workload["spec"]["template"])
    first = {k: v for k, v in template["spec"]["containers"][0].items() if k not in _ONCE_ONLY}
    if command:
        first["args"] = [*command]
    template["spec"] |= {"containers": [first], "restartPolicy": "Never"}
    called = names.run_of(service)
    template["metadata"] = {
        "labels": {**_pod_labels(scope, called), names.RECOMMENDED_NAME: called}
    }
    return jobs.of_template(scope, service, key, called, template)


def _adopted(scope: Scope, one: Json, service: str) -> Json:
    owner = service or str(one["metadata"]["name"])
    made = deepcopy(one)
    metadata = made["metadata"]
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        names.NAME: owner,
        names.INSTANCE: scope.instance,
        names.MANAGED_BY: names.MANAGER,
    }
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}),
        **names.annotations(scope.desired, owner),
    }
    for template in _templates(made):
        inner = template["metadata"] = dict(template.get("metadata") or {})
        inner["labels"] = {**(inner.get("labels") or {}), **_pod_labels(scope, owner)}
    return made


def _refuse_elsewhere(scope: Scope, one: Json) -> None:
    space, home = str(one["metadata"].get("namespace") or ""), scope.setting.namespace
    if space not in ("", home):
        raise ConfigurationError(
            f"it would run in {space}, and the target's namespace is {home}",
            path=f"{resources.title(one)}.metadata.namespace",
            why="what keeps pods running is followed and proven in one namespace",
            next_step="remove the namespace, or make an environment of its own for it",
        )


def _pod_labels(scope: Scope, service: str) -> dict[str, str]:
    return {names.NAME: service, names.INSTANCE: scope.instance}


def _templates(one: Json) -> Iterator[Json]:
    """The pod templates that objects of any kind keep where Kubernetes's own do."""
    for steps in _TEMPLATES:
        found: Any = one
        for step in steps:
            found = found.get(step) if isinstance(found, dict) else None
        if isinstance(found, dict) and (found.get("spec") or {}).get("containers"):
            yield found
