"""What runs to its end: a Job for a one-off, a CronJob for what runs at its times. Pure."""

import hashlib
from collections.abc import Sequence
from typing import Any

from shipit.errors import ConfigurationError
from shipit.model import application
from shipit.model.application import EXTENSION
from shipit.targets.kubernetes import names
from shipit.targets.kubernetes.render import labels, pod
from shipit.targets.kubernetes.render.scope import Scope

Json = dict[str, Any]
_LONGEST = 63 - 9  # characters before the hash: pods carry a Job's name as a label
_LONGEST_CRON = 52  # and a CronJob puts 11 characters to its own (batch/v1, CronJob)
_UTC = "Etc/UTC"
_RETRIES = 6  # batch/v1, JobSpec, backoffLimit's default


def name(scope: Scope, service: str, key: str) -> str:
    """The same for the same run, and no other's."""
    digest = hashlib.sha256(f"{scope.instance}\0{service}\0{key}".encode()).hexdigest()[:8]
    return f"{names.label(service)[:_LONGEST].rstrip('-')}-{digest}"


def job(scope: Scope, service: str, key: str, command: Sequence[str]) -> Json:
    """Tried once: whether a migration that failed may run again is for people to say."""
    called = names.run_of(service) if service in scope.desired.services else service
    template = pod.once(scope, service, called, tuple(command))
    return of_template(scope, service, key, called, template)


def of_template(scope: Scope, service: str, key: str, called: str, template: Json) -> Json:
    spec = {"backoffLimit": 0, "template": template}
    made = scope.made("batch/v1", "Job", name(scope, service, key), service, spec=spec)
    made["metadata"]["labels"][names.NAME] = called
    return made


def cron_job(scope: Scope, service: str) -> Json:
    definition, path = scope.definition(service), f"services.{service}"
    times = application.schedule(definition)
    if times is None:
        raise ConfigurationError("it has no schedule", path=f"{path}.{EXTENSION}")
    try:
        expression = times.for_cron
    except ValueError as error:
        raise ConfigurationError(str(error), path=f"{path}.{EXTENSION}.schedule") from None
    run = {
        "backoffLimit": _retries(definition),
        "template": pod.once(scope, service, service),
    }
    called = names.label(service, _LONGEST_CRON)
    spec = {
        "schedule": expression,
        "timeZone": times.timezone or _UTC,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {
            "metadata": {"labels": names.labels(scope.desired, service)},
            "spec": run,
        },
    }
    made = scope.made("batch/v1", "CronJob", called, service, spec=spec)
    said = (definition.get("deploy") or {}).get("labels") or {}
    return labels.marked(f"{path}.deploy.labels", said, made)


def _retries(definition: Json) -> int:
    """`restart: on-failure:3`, or `deploy.restart_policy`; left out, none."""
    policy = (definition.get("deploy") or {}).get("restart_policy") or {}
    condition, _, most = str(definition.get("restart") or "").partition(":")
    if policy.get("condition") == "on-failure":
        condition, most = "on-failure", str(policy.get("max_attempts") or "")
    if condition != "on-failure":
        return 0
    return int(most) if most.isdecimal() else _RETRIES
